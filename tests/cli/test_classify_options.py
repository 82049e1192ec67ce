"""Options of ``spam-edge classify``."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Classify = Callable[..., Result]

SPAM = "Free prize! Txt WIN to 88222 now, 150p/msg"
HAM = "see you at 5 then"
LONG = "see you at 5 then, " * 40


def labels(result: Result) -> list[str]:
    return [line.split("\t")[0] for line in result.stdout.splitlines()]


@pytest.fixture
def messages(folder: Path) -> str:
    (folder / "in.txt").write_text(f"{SPAM}\n{HAM}\n{HAM}\n")
    return "in.txt"


@pytest.mark.parametrize(("only", "expected"), [("spam", ["SPAM"]), ("Ham", ["HAM", "HAM"])])
def test_only_option_filters_output_by_label(classify: Classify, messages: str, only: str, expected: list[str]) -> None:
    result = classify(messages, "--only", only)
    assert (labels(result), result.exit_code) == (expected, 0)


def test_only_option_with_unknown_label_is_usage_error(classify: Classify, messages: str) -> None:
    result = classify(messages, "--only", "eggs")
    assert result.exit_code == 2
    assert "--only takes a label of this model: HAM, SPAM, not 'eggs'" in result.stderr


def test_threshold_extremes_label_all_spam_or_all_ham(classify: Classify, messages: str) -> None:
    assert labels(classify(messages, "--threshold", "0")) == ["SPAM"] * 3
    assert labels(classify(messages, "--threshold", "1")) == ["HAM"] * 3


@pytest.mark.parametrize(
    "wrong",
    [
        ["--threshold", "1.5"],
        ["--threshold", "nan"],
        ["--threshold", "high"],
        ["--threads", "0"],
        ["--device", "tpu"],
        ["--variant", "int4"],
        ["--format", "xml"],
        ["--input-format", "xml"],
        ["--whole-file", "--input-format", "csv"],
        ["--output", "."],
        ["--output", "no/such/folder/out.txt"],
        ["--output", "in.txt"],
        ["--output", "./in.txt"],
        ["--speling"],
    ],
)
def test_invalid_options_are_usage_errors_and_keep_input_unchanged(
    classify: Classify, messages: str, wrong: list[str]
) -> None:
    before = Path(messages).read_bytes()
    result = classify(messages, *wrong)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Usage: spam-edge classify [OPTIONS] [FILES]...\n")
    assert Path(messages).read_bytes() == before


def test_threads_and_variant_options_are_accepted(classify: Classify, messages: str) -> None:
    assert labels(classify(messages, "--threads", "1", "--variant", "fp32")) == ["SPAM", "HAM", "HAM"]


def test_summary_counts_labels_bad_rows_and_truncation(classify: Classify) -> None:
    stdin = f"{SPAM}\n\n{HAM}\ns\u200bee you\n".encode() + b"\xff\n" + LONG.encode()
    result = classify("--summary", "--format", "jsonl", stdin=stdin)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 4
    summary = result.stderr.splitlines()[1:]
    assert [re.sub(" +", " ", line) for line in summary[:7]] == [
        "messages 4",
        "HAM 3 75.0%",
        "SPAM 1 25.0%",
        "bad rows 1",
        "blank lines 1",
        "truncated 1",
        "disguised 1",
    ]
    assert re.fullmatch(r"seconds +\d+\.\d\d +[\d,]+ messages/s", summary[7])
    assert summary[8] == "Error: 1 of 5 rows could not be read"


def test_summary_of_empty_input_shows_zero_counts(classify: Classify) -> None:
    result = classify("--summary", stdin="")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "HAM                  0    0.0%" in result.stderr


def test_truncated_messages_are_reported_in_text_and_jsonl(classify: Classify) -> None:
    result = classify(stdin=f"{LONG}\n{HAM}\n")
    assert re.fullmatch(r"1 message was longer than \d+ tokens; only its beginning was read\n", result.stderr)
    result = classify(stdin=f"{LONG}\n{LONG}\n")
    assert re.fullmatch(r"2 messages were longer than \d+ tokens; only their beginning was read\n", result.stderr)
    result = classify("--format", "jsonl", stdin=f"{LONG}\n{HAM}\n")
    assert [json.loads(line)["truncated"] for line in result.stdout.splitlines()] == [True, False]
    assert result.stderr == ""


@pytest.mark.parametrize(("output_format", "flag"), [("jsonl", '"disguised": true'), ("csv", ",false,true,")])
def test_disguised_messages_are_flagged_in_output(classify: Classify, output_format: str, flag: str) -> None:
    disguised, plain = classify("--format", output_format, stdin=f"s\u200bee you\n{HAM}\n").stdout.splitlines()[-2:]
    assert flag in disguised
    assert flag not in plain


def test_fail_on_spam_exits_with_code_3(classify: Classify, messages: str) -> None:
    assert classify(messages, "--fail-on-spam").exit_code == 3
    assert classify(messages, "--fail-on-spam", "--only", "ham").exit_code == 3
    assert classify("--fail-on-spam", stdin=HAM).exit_code == 0


def test_read_error_exit_code_overrides_fail_on_spam(classify: Classify, messages: str) -> None:
    assert classify("--fail-on-spam", stdin=SPAM.encode() + b"\n\xff\n").exit_code == 1
    assert classify(messages, "missing.txt", "--fail-on-spam").exit_code == 1


def test_encoding_option_decodes_utf16_input(classify: Classify, folder: Path) -> None:
    (folder / "in.txt").write_bytes("Grüße, see you at 5\r\n".encode("utf-16"))
    result = classify("in.txt", "--encoding", "utf-16", "--format", "csv")
    assert result.stdout.endswith(',false,"Grüße, see you at 5"\n')
    assert result.exit_code == 0


def test_whole_file_option_classifies_each_file_as_one_message(classify: Classify, folder: Path) -> None:
    (folder / "a.txt").write_text("ok, call me\n\nsee you at 5 then\n")
    (folder / "b.csv").write_text(SPAM)
    result = classify("--whole-file", "a.txt", "b.csv")
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [(line[0], line[1], line[3]) for line in lines] == [
        ("a.txt:1", "HAM", r"ok, call me\n\nsee you at 5 then"),
        ("b.csv:1", "SPAM", SPAM),
    ]


def test_text_column_option_selects_csv_column(classify: Classify, folder: Path) -> None:
    (folder / "in.csv").write_text(f'v1,v2\nspam,"{SPAM}"\nham,{HAM}\n')
    assert labels(classify("in.csv", "--text-column", "v2")) == ["SPAM", "HAM"]


def test_files_and_standard_input_can_be_combined(classify: Classify, messages: str) -> None:
    result = classify(messages, "-", stdin=SPAM)
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
        "in.txt:1",
        "in.txt:2",
        "in.txt:3",
        "<stdin>:1",
    ]


class TestOutput:
    def test_existing_output_file_is_replaced(self, classify: Classify, messages: str) -> None:
        out = Path("out.jsonl")
        out.write_text("earlier")
        result = classify(messages, "--format", "jsonl", "--output", "out.jsonl")
        assert (result.stdout, result.stderr, result.exit_code) == ("", "", 0)
        assert [json.loads(line)["label"] for line in out.read_text().splitlines()] == ["SPAM", "HAM", "HAM"]
        assert sorted(path.name for path in Path().iterdir()) == ["in.txt", "out.jsonl"]

    def test_output_dash_writes_to_standard_output(self, classify: Classify, messages: str) -> None:
        assert labels(classify(messages, "-o", "-")) == ["SPAM", "HAM", "HAM"]
        assert not Path("-").exists()

    def test_output_symlink_to_input_is_usage_error(self, classify: Classify, messages: str) -> None:
        Path("out.txt").symlink_to(messages)
        assert classify(messages, "--output", "out.txt").exit_code == 2

    @pytest.mark.parametrize(
        ("name", "first"),
        [("out.csv", "file,line,"), ("out.JSONL", '{"file":'), ("out.txt", "SPAM\t"), ("out", "SPAM\t")],
    )
    def test_suffix_of_output_decides_format(self, classify: Classify, messages: str, name: str, first: str) -> None:
        assert classify(messages, "-o", name).exit_code == 0
        assert Path(name).read_text(encoding="utf-8").startswith(first)
        assert classify(messages, "-o", name, "--format", "text").exit_code == 0
        assert Path(name).read_text(encoding="utf-8").startswith("SPAM\t")

    @pytest.mark.parametrize("name", ["out.xlsx", "out.csv.gz", "out.parquet", "out.json"])
    def test_suffix_of_format_that_is_not_written_is_usage_error(
        self, classify: Classify, messages: str, name: str
    ) -> None:
        result = classify(messages, "-o", name)
        assert (result.exit_code, Path(name).exists()) == (2, False)
        assert "name a .txt, .csv or .jsonl file, or use spam-edge batch" in result.stderr

    @pytest.mark.parametrize("name", ["", "."])
    def test_output_that_is_a_folder_is_usage_error(self, classify: Classify, messages: str, name: str) -> None:
        result = classify(messages, "-o", name)
        assert result.exit_code == 2
        assert "folder; name a file in it" in result.stderr or "is a directory" in result.stderr

    def test_appending_to_an_input_is_refused(self, folder: Path, tiny_bundle: Path) -> None:
        (folder / "in.csv").write_text(f"text\n{HAM}\n", encoding="utf-8")
        command = [sys.executable, "-m", "spam_edge", "classify", "in.csv", "--model", str(tiny_bundle)]
        with (folder / "in.csv").open("a") as stream:
            done = subprocess.run(command, cwd=folder, stdout=stream, stderr=subprocess.PIPE, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (
            1,
            b"Error: in.csv is the standard output, too; send the verdicts elsewhere\n",
        )
        assert (folder / "in.csv").read_text(encoding="utf-8") == f"text\n{HAM}\n"

    def test_valid_rows_are_written_despite_bad_row(self, classify: Classify) -> None:
        result = classify("--output", "out.txt", stdin=SPAM.encode() + b"\n\xff\n" + HAM.encode())
        assert result.exit_code == 1
        assert [line.split("\t")[0] for line in Path("out.txt").read_text().splitlines()] == ["SPAM", "HAM"]

    @pytest.mark.parametrize(
        ("arguments", "stdin", "reason"),
        [
            (["in.txt", "missing.txt"], b"", "missing.txt does not exist; check the path"),
            (["in.txt", "broken.csv"], b"", "broken.csv is empty; a header row with column names is required"),
            (["-"], b"\xff\n\xfe\n", "2 of 2 rows could not be read; out.txt was not written"),
            (["in.txt", "--model", "nowhere"], b"", "nowhere"),
        ],
    )
    def test_existing_output_is_kept_after_read_error(
        self, classify: Classify, messages: str, arguments: list[str], stdin: bytes, reason: str
    ) -> None:
        Path("broken.csv").touch()
        Path("out.txt").write_text("earlier")
        result = classify(*arguments, "--output", "out.txt", stdin=stdin)
        assert result.exit_code == 1
        assert reason in result.stderr.splitlines()[-1]
        assert Path("out.txt").read_text() == "earlier"
        assert sorted(path.name for path in Path().iterdir()) == ["broken.csv", "in.txt", "out.txt"]

    def test_full_disk_prints_one_line_error_and_leaves_no_file(
        self, classify: Classify, messages: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        result = classify(messages, "--output", "out.txt")
        assert (result.exit_code, result.stderr) == (
            1,
            f"Error: [Errno 28] No space left on device: '{Path('out.txt').resolve()}'\n",
        )
        assert not Path("out.txt").exists()


def test_exact_summary_reports_rescored_messages(classify: Classify, messages: str) -> None:
    assert "rescored" not in classify(messages, "--summary").stderr
    result = classify(messages, "--exact", "--summary")
    assert result.exit_code == 0
    assert "rescored" in result.stderr
