"""Bad rows under ``--on-error`` fail, skip and null; truncated and damaged files."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spam_edge.errors import InputError
from spam_edge.readers.windows import ReadOptions

from .conftest import RunJob, messages, read_csv, read_jsonl, write_csv, write_jsonl

CSV = b'id,text\n1,good\n2,too,many\n3,caf\xe9\n4,nul\x00here\n5,"open" x\n6,fine\n'
CSV_REASONS = {
    3: "3 fields where the header has 2",
    4: "byte 0xe9 at position 6 of line 4 is not utf-8",
    5: "a NUL byte",
    6: "invalid CSV",
}
JSONL = [
    '{"text": "good", "id": 1}',
    '{"text": "open',
    '{"id": 3}',
    '{"text": 4, "id": 4}',
    '{"text": "\\ud800", "id": 5}',
    "[6]",
    '{"id": 7, "text": "fine"}',
]
JSONL_REASONS = {
    2: "invalid JSON",
    3: "the object has no key 'text'",
    4: "the text is int, not a string",
    5: "a lone surrogate",
    6: "a JSON list is not an object",
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "in.csv").write_bytes(CSV)
    (tmp_path / "in.jsonl").write_text("\n".join(JSONL))
    raw = pa.array([b"good", b"caf\xe9", None, b"fine"]).cast(pa.binary())
    texts = pa.StringArray.from_buffers(4, *raw.buffers()[1:], raw.buffers()[0], raw.null_count)
    pq.write_table(pa.table({"text": texts, "id": [1, 2, 3, 4]}), tmp_path / "in.parquet")
    return tmp_path


def test_object_before_the_key_is_known_is_bad_row_as_in_classify(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "body": "b"}\n{"text": "c"}\n{"text": "d", "body": "e"}\n')
    report = run_job(tmp_path / "in.jsonl", output=tmp_path / "out.jsonl", on_error="skip")
    assert [row["text"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["c", "d"]
    assert report.errors == 1


@pytest.mark.parametrize(
    ("name", "first"),
    [("in.csv", r"in\.csv:3: 3 fields"), ("in.jsonl", r":2: invalid JSON"), ("in.parquet", ":2: .* utf-8")],
)
def test_on_error_fail_names_location_and_keeps_earlier_parts(
    files: Path, run_job: RunJob, name: str, first: str
) -> None:
    with pytest.raises(InputError, match=f"{first}.*--on-error skip"):
        run_job(files / name, output=files / "out", part_rows=1)
    parts = [path.name for path in (files / "out").glob("part*")]
    assert parts == [f"part-00000-in.{name[3:]}"]  # the part before the bad row is kept for --resume


def reasons(path: Path, place: str = "line") -> dict[int, str]:
    return {line[place]: line["reason"] for line in read_jsonl(path)}


@pytest.mark.parametrize("part_rows", [1, 100])
def test_on_error_skip_omits_bad_rows_and_lists_rejects(files: Path, run_job: RunJob, part_rows: int) -> None:
    for name, expected in (("in.csv", CSV_REASONS), ("in.jsonl", JSONL_REASONS)):
        output = files / f"out-{name}"
        report = run_job(files / name, output=output, on_error="skip", part_rows=part_rows)
        actual = reasons(files / f"out-{name}.rejects.jsonl")
        assert actual.keys() == expected.keys()
        assert all(expected[line] in actual[line] for line in actual)
        assert (report.errors, report.written, report.rows) == (len(expected), 2, len(expected) + 2)
        assert sum(report.errors_by_reason.values()) == len(expected)
    assert [row[0] for row in read_csv(files / "out-in.csv")[1:]] == ["1", "6"]
    assert [row["id"] for row in read_jsonl(files / "out-in.jsonl")] == [1, 7]
    run_job(files / "in.parquet", output=files / "out.parquet", on_error="skip", part_rows=part_rows)
    assert pq.read_table(files / "out.parquet")["id"].to_pylist() == [1, 3, 4]
    assert reasons(files / "out.parquet.rejects.jsonl", "row").keys() == {2}


def test_on_error_null_keeps_bad_rows_without_verdict(files: Path, run_job: RunJob) -> None:
    for name in ("in.csv", "in.jsonl", "in.parquet"):
        run_job(files / name, output=files / f"out-{name}", on_error="null")
    unknown = [""] * 5
    rows = read_csv(files / "out-in.csv")[1:]
    assert [row for row in rows if not row[2]] == [unknown] * 4
    assert [row[0] for row in rows] == ["1", "", "", "", "", "6"]
    null = '"label": null, "spam_score": null, "truncated": null}'
    lines = (files / "out-in.jsonl").read_text().splitlines()
    assert lines[1:6] == [f"{{{null}", *(f"{line[:-1]}, {null}" for line in JSONL[2:5]), f"{{{null}"]
    table = pq.read_table(files / "out-in.parquet")
    assert table["id"].to_pylist() == [1, 2, 3, 4]
    assert [label is None for label in table["label"].to_pylist()] == [False, True, True, False]
    for output in ("parquet.csv", "parquet.jsonl"):  # text formats cannot represent invalid UTF-8
        with pytest.raises(InputError, match=r"rows from 1 on cannot be written as .*--format parquet"):
            run_job(files / "in.parquet", output=files / output, on_error="null")
    run_job(files / "in.csv", output=files / "csv.parquet", on_error="null")
    assert pq.read_table(files / "csv.parquet")["id"].to_pylist() == ["1", None, None, None, None, "6"]


def test_output_folder_has_one_reject_file_for_all_inputs(files: Path, run_job: RunJob) -> None:
    report = run_job(files / "in.csv", files / "in.jsonl", output=files / "out", on_error="skip", output_format="jsonl")
    assert len(read_jsonl(files / "out" / "rejects.jsonl")) == report.errors == 9
    assert report.errors_by_reason == {
        "fields": 1, "encoding": 3, "quoting": 1, "json": 2, "key": 1, "text": 1,
    }  # fmt: skip
    write_csv(files / "good.csv", ["a"])
    run_job(files / "good.csv", output=files / "good", on_error="skip")
    assert not (files / "good" / "rejects.jsonl").exists()


@pytest.mark.parametrize("on_error", ["fail", "skip", "null"])
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("", "unexpected end of data.* in the lines 3 to 32: is a quote not closed"),
        ('he said "hi" to me,9\nfine,10\n', "in the lines 3 to 33: is a quote not closed"),
        ('",9\nfine,10\n', "one record has the lines 3 to 33, which look like records"),
        ('",9,9\nfine,10\n', "one record has the lines 3 to 33, which look like records"),
    ],
)
def test_unclosed_quote_that_swallows_rows_always_fails(
    tmp_path: Path, run_job: RunJob, on_error: str, end: str, reason: str
) -> None:
    swallowed = "WINNER!! Claim your prize,3\n" * 29
    (tmp_path / "in.csv").write_text('text,n\nfirst,1\n"oops,2\n' + swallowed + end)
    with pytest.raises(InputError, match=rf"in\.csv:3: .*{reason}.*no --on-error leaves it out; correct the file"):
        run_job(tmp_path / "in.csv", output=tmp_path / "out", on_error=on_error, part_rows=1)
    assert [path.name for path in (tmp_path / "out").glob("part*")] == ["part-00000-in.csv"]


def test_broken_quote_over_few_lines_is_one_bad_row(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "in.csv").write_text('text,n\nfirst,1\n"two\nlines "here"",2\nlast,3\n')
    report = run_job(tmp_path / "in.csv", output=tmp_path / "out.csv", on_error="skip")
    assert (report.written, report.errors) == (2, 1)
    assert "in the lines 3 to 4: is a quote not closed?" in reasons(tmp_path / "out.csv.rejects.jsonl")[3]


def test_single_json_key_is_not_taken_as_text_column(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "in.jsonl").write_text('{"id": "WINNER"}\n{"id": "a2", "text": "hi"}\n')
    with pytest.raises(InputError, match=r"in\.jsonl:1: no text column found"):
        run_job(tmp_path / "in.jsonl", output=tmp_path / "out.jsonl")
    run_job(tmp_path / "in.jsonl", output=tmp_path / "skip.jsonl", on_error="skip")
    assert [row["id"] for row in read_jsonl(tmp_path / "skip.jsonl")] == ["a2"]
    (tmp_path / "none.jsonl").write_text('{"id": "WINNER"}\n{"name": "a2"}\n')
    with pytest.raises(InputError, match=r"no text column found; set --text-column to .* 'id'"):
        run_job(tmp_path / "none.jsonl", output=tmp_path / "none.csv", on_error="skip")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_truncated_compressed_file_fails_after_complete_parts(tmp_path: Path, run_job: RunJob, suffix: str) -> None:
    whole = write_jsonl(tmp_path / "in.jsonl", [*messages(20_000)])
    packed = pa.compress(whole.read_bytes(), {".gz": "gzip", ".zst": "zstd"}[suffix], asbytes=True)
    (tmp_path / f"in.jsonl{suffix}").write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(InputError, match=r"in\.jsonl\.\w+ cannot be read beyond [\d,]+ rows .*is it complete\?"):
        run_job(tmp_path / f"in.jsonl{suffix}", output=tmp_path / "out", part_rows=1000)
    parts = sorted((tmp_path / "out").glob("part*"))
    assert len(parts) > 5
    with pa.input_stream(str(parts[-1])) as stream:
        assert len(stream.read().splitlines()) == 1000


def test_damaged_parquet_file_is_refused(tmp_path: Path, run_job: RunJob) -> None:
    pq.write_table(pa.table({"text": messages(3000)}), tmp_path / "in.parquet", row_group_size=1000)
    content = bytearray((tmp_path / "in.parquet").read_bytes())
    (tmp_path / "short.parquet").write_bytes(content[:-100])
    with pytest.raises(InputError, match=r"short\.parquet cannot be read as Parquet"):
        run_job(tmp_path / "short.parquet", output=tmp_path / "out")
    group = pq.ParquetFile(tmp_path / "in.parquet").metadata.row_group(2).column(0)
    start = group.dictionary_page_offset or group.data_page_offset
    content[start : start + 200] = b"\xff" * 200
    (tmp_path / "in.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"in\.parquet cannot be read beyond 1,024 rows"):
        run_job(tmp_path / "in.parquet", output=tmp_path / "out", part_rows=500)
    assert len(list((tmp_path / "out").glob("part*"))) == 2


def test_text_column_of_other_type_is_refused(tmp_path: Path, run_job: RunJob) -> None:
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "in.parquet")
    with pytest.raises(InputError, match="column 'text' holds int64, not text; name another with --text-column"):
        run_job(tmp_path / "in.parquet", output=tmp_path / "out")
    (tmp_path / "in.jsonl").write_text(json.dumps({"a": 1, "b": 2}))
    with pytest.raises(InputError, match="--text-column"):
        run_job(tmp_path / "in.jsonl", output=tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "first"), [("in.tsv", "ham\thi"), ("in.tsv.gz", "SPAM\ttext"), ("in.txt", '"ham"\t"hi"')]
)
def test_headerless_labelled_messages_are_refused(tmp_path: Path, run_job: RunJob, name: str, first: str) -> None:
    content = f"{first}\nham\tsee you\n".encode()
    compressed = pa.compress(content, "gzip", asbytes=True) if name.endswith(".gz") else content
    (tmp_path / name).write_bytes(compressed)
    with pytest.raises(InputError, match=rf"{name}, line 1: '\w+' is a label, not a column name; .*label<TAB>text"):
        run_job(tmp_path / name, output=tmp_path / "out", reading=ReadOptions(input_format="tsv"), on_error="skip")
    assert not (tmp_path / "out").exists()
