"""Unreadable input: exit code 1 and one line with the problem, the place and the remedy; no traceback."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]

FILES = {
    "good.txt": b"see you at 5 then\n",
    "binary.txt": b"\x7fELF\x01\0\0",
    "wide.txt": "see you\n".encode("utf-16"),
    "latin.txt": b"caf\xe9 at 5\n",
    "columns.csv": b"id,contents\n1,see you\n",
    "uci.tsv": b"ham\tsee you\nspam\ttext WIN\n",
    "empty.csv": b"",
    "broken.jsonl": b'{"text": "see you\n',
    "no.parquet": b"see you\n",
    "folder": None,
}


@pytest.fixture
def files(folder: Path) -> None:
    for name, content in FILES.items():
        if content is None:
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(content)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["missing.txt"], "missing.txt does not exist; check the path"),
        (["folder"], "folder is a folder; name the files in it"),
        (["binary.txt"], "binary.txt is a binary file; use text, CSV, TSV, JSON Lines or a .parquet file"),
        (["wide.txt"], "wide.txt looks like UTF-16; use --encoding utf-16"),
        (
            ["columns.csv"],
            "columns.csv: no text column found; set --text-column to one of the first row: 'id', 'contents'",
        ),
        (
            ["columns.csv", "--text-column", "body"],
            "columns.csv: there is no column 'body'; --text-column takes one of: 'id', 'contents'",
        ),
        (["uci.tsv"], "uci.tsv, line 1: 'ham' is a label, not a column name; add a header line label<TAB>text"),
        (["empty.csv"], "empty.csv is empty; a header row with column names is required"),
        (["-", "--input-format", "parquet"], "<stdin> is not a regular file; Parquet is read from its end"),
        (["no.parquet"], "no.parquet cannot be read as Parquet"),
        (["good.txt", "--encoding", "klingon"], "'klingon' is not a known text encoding; try utf-8 or cp1252"),
        (["good.txt", "--model", "nowhere"], "nowhere"),
    ],
)
def test_unreadable_input_prints_one_line_error(classify: Run, arguments: list[str], reason: str) -> None:
    result = classify(*arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_headerless_labelled_tsv_on_stdin_is_refused(classify: Run) -> None:
    result = classify("--input-format", "tsv", stdin=b"Spam\ttext\nham\tsee you\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: <stdin>, line 1: 'Spam' is a label, not a column name; add a header line")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("latin.txt", "latin.txt:1: byte 0xe9 at position 4 of line 1 is not utf-8; set the encoding, for example"),
        ("broken.jsonl", "broken.jsonl:1: invalid JSON at column 10"),
    ],
)
def test_bad_row_error_names_location_and_count(classify: Run, name: str, place: str) -> None:
    result = classify(name)
    assert result.exit_code == 1
    report, count = result.stderr.splitlines()
    assert report.startswith(place)
    assert count == "Error: 1 of 1 rows could not be read"


@pytest.mark.parametrize(
    ("input_format", "content", "reports"),
    [
        ("text", b"see you\n\xff\nat 5\n", ["<stdin>:2: byte 0xff at position 1 of line 2"]),
        (
            "jsonl",
            b'"see you"\n{]\n{"text": null}\n"at 5"\n',
            ["<stdin>:2: invalid JSON", "<stdin>:3: the text is"],
        ),
        ("csv", b"id,text\n1,see you\n2\n3,at 5\n", ["<stdin>:3: 1 fields where the header has 2"]),
        ("tsv", b"text\nsee you\nsee\tyou\nat 5\n", ["<stdin>:3: 2 fields where the header has 1"]),
    ],
)
def test_valid_rows_are_classified_despite_bad_rows(
    classify: Run, input_format: str, content: bytes, reports: list[str]
) -> None:
    result = classify("--input-format", input_format, stdin=content)
    assert result.exit_code == 1
    assert [line.split("\t")[2] for line in result.stdout.splitlines()] == ["see you", "at 5"]
    *errors, count = result.stderr.splitlines()
    assert all(line.startswith(report) for line, report in zip(errors, reports, strict=True))
    assert count == f"Error: {len(reports)} of {len(reports) + 2} rows could not be read"


def test_bad_row_reports_stop_after_first_ten(classify: Run) -> None:
    result = classify(stdin=b"\xff\n" * 3000 + b"see you\n")
    lines = result.stderr.splitlines()
    assert [line.split(":")[1] for line in lines[:10]] == [str(number) for number in range(1, 11)]
    assert lines[10:] == [
        "further bad rows are only counted",
        "Error: 3,000 of 3,001 rows could not be read",
    ]


@pytest.mark.usefixtures("files")
def test_files_after_unreadable_file_are_still_read(classify: Run) -> None:
    result = classify("missing.txt", "good.txt", "folder", "latin.txt", "good.txt", "binary.txt")
    assert result.exit_code == 1
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["good.txt:1", "good.txt:1"]
    errors = result.stderr.splitlines()
    assert errors[0] == "Error: missing.txt does not exist; check the path"
    assert errors[1] == "Error: folder is a folder; name the files in it"
    assert errors[2].startswith("latin.txt:1: ")
    assert errors[3].startswith("Error: binary.txt is a binary file")
    assert errors[4] == "Error: 3 of 6 inputs could not be read; 1 of 3 rows could not be read"


@pytest.mark.parametrize("command", ["classify", "info", "verify", "bench"])
def test_missing_bundle_prints_one_line_error(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.delenv("SPAM_EDGE_MODEL")
    result = run(command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["classify", "info", "verify", "bench"])
@pytest.mark.parametrize("damage", ["changed", "removed", "manifest"])
def test_damaged_bundle_error_names_damaged_file(
    run: Run, folder: Path, tiny_bundle: Path, command: str, damage: str
) -> None:
    shutil.copytree(tiny_bundle, folder / "bundle")
    file = folder / "bundle" / ("manifest.json" if damage == "manifest" else "tokenizer.json")
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-20] + b" " * 20)
    result = run(command, "--model", "bundle", "--device", "cpu", stdin="see you\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert file.name in result.stderr
    assert result.stderr.count("\n") == 1


def test_unavailable_cuda_device_prints_one_line_error(classify: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    result = classify("--device", "cuda", stdin="see you\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: CUDA was requested")
    assert result.stderr.count("\n") == 1
