"""Output columns: input columns unchanged, verdicts bit-identical to the classifier."""

import datetime
import decimal
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spam_edge.errors import InputError, JobError
from spam_edge.readers.windows import ReadOptions, read_windows

from .conftest import RunJob, messages, read_csv, read_jsonl, write_csv, write_jsonl

Judged = Callable[[list[str | None]], list[tuple[Any, Any, Any]]]
VERDICT = ["label", "spam_score", "truncated"]


def verdicts_of(table: pa.Table) -> list[tuple[Any, Any, Any]]:
    scores = [None if value is None else np.float32(value) for value in table["spam_score"].to_pylist()]
    return list(zip(table["label"].to_pylist(), scores, table["truncated"].to_pylist(), strict=True))


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("compression", ["", ".gz", ".zst"])
def test_csv_columns_are_unchanged_and_verdicts_appended(
    tmp_path: Path, run_job: RunJob, judged: Judged, kind: str, compression: str
) -> None:
    texts = [*messages(3000), "", "long word " * 400, "a\rb"]
    delimiter = "\t" if kind == "tsv" else ","
    source = write_csv(tmp_path / f"in.{kind}", texts, delimiter=delimiter)
    before = read_csv(source, delimiter)
    if compression:
        compressed = source.with_name(source.name + compression)
        compressed.write_bytes(
            pa.compress(source.read_bytes(), {".gz": "gzip", ".zst": "zstd"}[compression], asbytes=True)
        )
        source = compressed
    run_job(source, output=tmp_path / f"out.{kind}{compression}", part_rows=1100)
    with pa.input_stream(str(tmp_path / f"out.{kind}{compression}")) as stream:  # several concatenated members
        (tmp_path / "plain").write_bytes(stream.read())
    header, *rows = read_csv(tmp_path / "plain", delimiter)
    assert header == [*before[0], *VERDICT]
    assert [row[:3] for row in rows] == before[1:]
    assert [(label, np.float32(score), truncated == "true") for *_, label, score, truncated in rows] == judged([*texts])
    assert {truncated for *_, truncated in rows} == {"true", "false"}


def test_json_lines_are_kept_verbatim_with_verdicts_appended(tmp_path: Path, run_job: RunJob, judged: Judged) -> None:
    lines = [
        '{"z": 12345678901234567890123, "text": "Free prize", "one": 1.0,  "deep": {"b": [1e5, null], "a": "\\u00fc"}}',
        '{"text":"see you","z":1}',
        '"bare \\"string\\""',
        '{"text": null, "z": 2}',
        "",
        '{ "text": "" }',
    ]
    (tmp_path / "in.jsonl").write_text("\r\n".join(lines))
    report = run_job(tmp_path / "in.jsonl", output=tmp_path / "out.jsonl")
    written = (tmp_path / "out.jsonl").read_text().splitlines()
    expected = [lines[0], lines[1], '{"text": "bare \\"string\\""}', lines[3], lines[5]]
    assert [line.split(', "label": ')[0] for line in written] == [line[:-1].rstrip() for line in expected]
    rows = [json.loads(line) for line in written]
    scores = [tuple(row[name] for name in VERDICT) for row in rows]
    assert [(a, None if b is None else np.float32(b), c) for a, b, c in scores] == judged(
        ["Free prize", "see you", 'bare "string"', None, ""]
    )
    assert (report.rows, report.null, report.errors) == (5, 1, 0)


def table_of(texts: list[str | None]) -> pa.Table:
    count = len(texts)
    schema = pa.schema(
        [
            pa.field("id", pa.uint64(), metadata={"unit": "none"}),
            pa.field("text", pa.large_string()),
            pa.field("when", pa.timestamp("ns", tz="Europe/Berlin")),
            pa.field("who", pa.dictionary(pa.int32(), pa.string())),
            pa.field("deep", pa.list_(pa.struct([("a", pa.int64()), ("b", pa.binary())]))),
            pa.field("price", pa.decimal128(20, 4)),
        ],
        metadata={"made by": "a test"},
    )
    return pa.table(
        {
            "id": [2**64 - 1 - number for number in range(count)],
            "text": texts,
            "when": [1_700_000_000_000_000_001 + number for number in range(count)],
            "who": pa.array(["ann", None, "bob"] * count, type=pa.string())[:count].dictionary_encode(),
            "deep": [[{"a": number, "b": b"\xff"}, None] if number % 2 else None for number in range(count)],
            "price": [decimal.Decimal(number).scaleb(-4) for number in range(count)],
        },
        schema=schema,
    )


@pytest.mark.parametrize("single", [True, False])
def test_parquet_types_and_metadata_are_preserved(
    tmp_path: Path, run_job: RunJob, judged: Judged, single: bool
) -> None:
    texts: list[str | None] = [*messages(2500), None, ""]
    table = table_of(texts)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=700)
    output = tmp_path / ("out.parquet" if single else "out")
    run_job(tmp_path / "in.parquet", output=output, part_rows=900)
    files = [output] if single else sorted(output.glob("*.parquet"))
    assert [pq.ParquetFile(file).num_row_groups for file in files] == ([3] if single else [1, 1, 1])
    actual = pa.concat_tables(pq.read_table(file, partitioning=None) for file in files)
    assert actual.select(table.column_names).cast(table.schema).equals(table)
    assert actual.schema.remove_metadata().equals(
        pa.schema([*table.schema, ("label", pa.string()), ("spam_score", pa.float32()), ("truncated", pa.bool_())])
    )
    assert actual.schema.metadata[b"made by"] == b"a test"
    assert actual.schema.field("id").metadata[b"unit"] == b"none"
    assert verdicts_of(actual) == judged(texts)


def test_csv_and_json_inputs_convert_to_parquet(tmp_path: Path, run_job: RunJob, judged: Judged) -> None:
    texts = messages(30)
    write_csv(tmp_path / "in.csv", texts)
    run_job(tmp_path / "in.csv", output=tmp_path / "csv.parquet", part_rows=7)
    table = pq.read_table(tmp_path / "csv.parquet")
    assert table.schema.types[:3] == [pa.string()] * 3
    assert (table["text"].to_pylist(), verdicts_of(table)) == (texts, judged([*texts]))
    lines = [{"text": text, "n": number} if number else {"text": text} for number, text in enumerate(texts)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run_job(tmp_path / "in.jsonl", output=tmp_path / "json.parquet", part_rows=7)
    table = pq.read_table(tmp_path / "json.parquet")
    assert table["n"].to_pylist() == [None, *range(1, 30)]
    assert verdicts_of(table) == judged([*texts])


def test_json_with_mixed_types_is_refused_as_parquet(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "n": 1}\n{"text": "b", "n": {"deep": "x"}}\n')
    for rows in (1, 2):
        with pytest.raises(InputError, match=r"in\.jsonl: lines .* one type per column .*--format jsonl"):
            run_job(tmp_path / "in.jsonl", output=tmp_path / f"out{rows}.parquet", part_rows=rows)
        assert not (tmp_path / f"out{rows}.parquet").exists()


def test_parquet_converts_to_text_formats_only_without_loss(tmp_path: Path, run_job: RunJob, judged: Judged) -> None:
    texts: list[str | None] = [*messages(9), None, ""]
    day = datetime.date(2024, 2, 29)
    table = pa.table({"text": texts, "day": [day] * 11, "n": [2**60 + number for number in range(11)]})
    pq.write_table(table, tmp_path / "in.parquet")
    run_job(tmp_path / "in.parquet", output=tmp_path / "out.csv", part_rows=4)
    rows = read_csv(tmp_path / "out.csv")
    assert [row[:3] for row in rows[1:]] == [[text or "", "2024-02-29", str(2**60 + n)] for n, text in enumerate(texts)]
    verdicts = [tuple(row[3:]) for row in rows[1:]]
    assert [(a or None, np.float32(b) if b else None, c == "true" if c else None) for a, b, c in verdicts] == judged(
        texts
    )
    assert (tmp_path / "out.csv").read_text().splitlines()[-2].startswith(",2024")  # null is unquoted, unlike ""
    with pytest.raises(JobError, match=r"column 'day' \(date32\[day\]\) cannot be written as jsonl; use .* parquet"):
        run_job(tmp_path / "in.parquet", output=tmp_path / "out.jsonl")
    pq.write_table(table.drop_columns(["day"]), tmp_path / "in.parquet")
    run_job(tmp_path / "in.parquet", output=tmp_path / "out.jsonl")
    assert [row["n"] for row in read_jsonl(tmp_path / "out.jsonl")] == table["n"].to_pylist()
    pq.write_table(table_of(texts), tmp_path / "nested.parquet")
    with pytest.raises(JobError, match="'deep'"):
        run_job(tmp_path / "nested.parquet", output=tmp_path / "nested.csv")


@pytest.mark.parametrize(("kind", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_flat_json_converts_to_csv_and_tsv(tmp_path: Path, run_job: RunJob, kind: str, delimiter: str) -> None:
    lines = ['{"text": "hi, \\"you\\"", "n": 1.10, "ok": true}', '{"n": 12345678901234567890123, "text": null}', '"no"']
    lines.append('{"text": "a\\nb\\r", "ok": null, "n": -1e400}')
    (tmp_path / "in.jsonl").write_text("\n".join(lines[:2] + lines[3:]) + "\n")
    run_job(tmp_path / "in.jsonl", output=tmp_path / f"out.{kind}", part_rows=1)
    rows = read_csv(tmp_path / f"out.{kind}", delimiter)
    assert [row[:3] for row in rows] == [
        ["text", "n", "ok"],
        ['hi, "you"', "1.10", "true"],
        ["", "12345678901234567890123", ""],
        ["a\nb\r", "-1e400", ""],
    ]
    assert [len(row) for row in rows] == [6] * 4
    assert (tmp_path / f"out.{kind}").read_text().splitlines()[2].startswith(delimiter)  # null is unquoted
    (tmp_path / "texts.jsonl").write_text(f"{lines[2]}\n")
    run_job(tmp_path / "texts.jsonl", output=tmp_path / f"texts.{kind}")
    assert read_csv(tmp_path / f"texts.{kind}", delimiter)[1][0] == "no"
    with pytest.raises(JobError, match="have different columns, which one file cannot hold"):
        run_job(tmp_path / "in.jsonl", tmp_path / "texts.jsonl", output=tmp_path / f"both.{kind}")


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ('{"text": "a", "tags": ["x"]}', r"key 'tags' does not occur in the first object"),
        ('{"text": "a", "n": [1]}', r"key 'n' holds a list, which is not a flat value"),
        ('{"text": "a", "n": {"x": 1}}', r"key 'n' holds an object, which is not a flat value"),
        ('{"text": "a", "n": NaN}', r"key 'n' holds NaN or infinity, which is not a flat value"),
        ('{"text": "a", "n": "\\ud800"}', r"key 'n' holds a lone surrogate"),
    ],
)
def test_json_that_csv_cannot_represent_is_refused(tmp_path: Path, run_job: RunJob, second: str, reason: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "hi", "n": 1}\n' + second + "\n")
    with pytest.raises(InputError, match=rf"in\.jsonl:2: {reason}; use --format jsonl or parquet"):
        run_job(tmp_path / "in.jsonl", output=tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_json_key_with_lone_surrogate_is_refused_as_column(tmp_path: Path, run_job: RunJob, kind: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "hi", "\\ud800": 1}\n')
    with pytest.raises(JobError, match="lone surrogate in its name"):
        run_job(tmp_path / "in.jsonl", output=tmp_path / f"out.{kind}")
    run_job(tmp_path / "in.jsonl", output=tmp_path / "out.jsonl")


@pytest.mark.parametrize("source", ["in.csv", "in.jsonl", "in.parquet"])
def test_spreadsheet_safe_output_neutralises_formula_cells(tmp_path: Path, run_job: RunJob, source: str) -> None:
    cells = ["=1+1", "+49 170", "-5", "@A1", "\tx", "\rx", "hi"]
    match source:
        case "in.csv":
            write_csv(tmp_path / source, cells)
        case "in.jsonl":
            write_jsonl(tmp_path / source, [*cells])
        case _:
            pq.write_table(pa.table({"id": range(7), "text": cells}), tmp_path / source)
    run_job(tmp_path / source, output=tmp_path / "out.csv", spreadsheet_safe=True, column_prefix="=")
    header, *rows = read_csv(tmp_path / "out.csv")
    assert header[-3:] == ["'=label", "'=spam_score", "'=truncated"]
    assert [row[1] for row in rows] == [*(f"'{cell}" for cell in cells[:-1]), "hi"]
    assert all(0 <= float(row[-2]) <= 1 for row in rows)
    with pytest.raises(JobError, match="--spreadsheet-safe is for csv and tsv, but the output is jsonl"):
        run_job(tmp_path / source, output=tmp_path / "out.jsonl", spreadsheet_safe=True)


def test_verdict_column_name_conflict_requires_prefix(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "in.csv").write_text("text,label\nhi,mine\n")
    with pytest.raises(JobError, match="column 'label' already exists; --column-prefix"):
        run_job(tmp_path / "in.csv", output=tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    run_job(tmp_path / "in.csv", output=tmp_path / "out.csv", column_prefix="is_")
    assert read_csv(tmp_path / "out.csv")[0] == ["text", "label", "is_label", "is_spam_score", "is_truncated"]
    (tmp_path / "in.jsonl").write_text('{"text": "hi"}\n{"text": "hi", "truncated": 1}\n')
    with pytest.raises(JobError, match=r"in\.jsonl:2: column 'truncated' already exists"):
        run_job(tmp_path / "in.jsonl", output=tmp_path / "out.jsonl")


KAGGLE = 'v1,v2,,,\nham,"Go until jurong point, crazy..",,,\nspam,Free entry now,,,x\n'


def test_empty_column_names_are_kept_in_csv_only(tmp_path: Path, run_job: RunJob) -> None:
    """The common CSV copy of the SMS Spam Collection has three unnamed columns."""
    (tmp_path / "in.csv").write_text(KAGGLE)
    reading = ReadOptions(text_column="v2")
    run_job(tmp_path / "in.csv", output=tmp_path / "out.csv", reading=reading, part_rows=1)
    header, *rows = read_csv(tmp_path / "out.csv")
    assert header == ["v1", "v2", "", "", "", *VERDICT]
    assert [row[:5] for row in rows] == [
        ["ham", "Go until jurong point, crazy..", "", "", ""], ["spam", "Free entry now", "", "", "x"]
    ]  # fmt: skip
    for name, reason in (("out.jsonl", "JSON does not allow"), ("out.parquet", "many readers of Parquet refuse")):
        with pytest.raises(
            JobError, match=f"in.csv: two columns have the same name.* which {reason}; use --format csv"
        ):
            run_job(tmp_path / "in.csv", output=tmp_path / name, reading=reading)
        assert not (tmp_path / name).exists()


def test_duplicate_parquet_column_names_are_kept(tmp_path: Path, run_job: RunJob) -> None:
    pq.write_table(pa.table([["hi"], [1], [2]], names=["text", "a", "a"]), tmp_path / "in.parquet")
    run_job(tmp_path / "in.parquet", output=tmp_path / "out.parquet")
    table = pq.ParquetFile(tmp_path / "out.parquet").read()
    assert table.column_names == ["text", "a", "a", *VERDICT]
    assert [column.to_pylist() for column in table.columns[1:3]] == [[1], [2]]
    run_job(tmp_path / "in.parquet", output=tmp_path / "out.csv")
    assert read_csv(tmp_path / "out.csv")[1][:3] == ["hi", "1", "2"]


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_duplicate_text_column_is_refused(tmp_path: Path, run_job: RunJob, name: str) -> None:
    (tmp_path / "in.csv").write_text("v2,v2\nhi,you\n")
    pq.write_table(pa.table([["hi"], ["you"]], names=["v2", "v2"]), tmp_path / "in.parquet")
    with pytest.raises(InputError, match="there is more than one column 'v2'; rename all but one"):
        run_job(tmp_path / name, output=tmp_path / "out.csv", reading=ReadOptions(text_column="v2"))


@pytest.mark.parametrize(
    ("content", "delimiter", "other"),
    [("id;text\n1;a, b\n", None, ";"), ("sep=;\nid;text\n1;a, b\n", None, ";"), ("id#text\n1#a, b\n", "#", None)],
)
def test_other_delimiters_become_commas_and_are_checked_on_resume(
    tmp_path: Path, run_job: RunJob, content: str, delimiter: str | None, other: str | None
) -> None:
    (tmp_path / "in.csv").write_text(content)
    reading = ReadOptions(delimiter=delimiter)
    run_job(tmp_path / "in.csv", output=tmp_path / "out.csv", reading=reading)
    rows = read_csv(tmp_path / "out.csv")
    assert [row[:2] for row in rows] == [["id", "text"], ["1", "a, b"]]
    with pytest.raises(JobError, match=r"cannot resume: .*delimiter"):
        run_job(tmp_path / "in.csv", output=tmp_path / "out.csv", reading=ReadOptions(delimiter=other), resume=True)


@pytest.mark.parametrize("option", [{"delimiter": ","}, {"long_cells": True}])
def test_csv_options_are_refused_for_other_formats(tmp_path: Path, run_job: RunJob, option: dict[str, Any]) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "hi"}\n')
    pq.write_table(pa.table({"text": ["hi"]}), tmp_path / "in.parquet")
    for name in ("in.jsonl", "in.parquet"):
        with pytest.raises(InputError, match=rf"{name}: --(delimiter|long-cells) is for CSV and TSV"):
            run_job(tmp_path / name, output=tmp_path / "out.csv", reading=ReadOptions(**option))
        with pytest.raises(InputError, match=rf"{name}: --(delimiter|long-cells) is for CSV and TSV"):
            list(read_windows(tmp_path / name, ReadOptions(**option)))


def test_long_multiline_cell_requires_long_cells_option(tmp_path: Path, run_job: RunJob) -> None:
    text = "\n".join(["see you"] * 150)
    (tmp_path / "in.csv").write_text(f'text\n"{text}"\n')
    with pytest.raises(InputError, match="--long-cells"):
        run_job(tmp_path / "in.csv", output=tmp_path / "out.csv")
    run_job(tmp_path / "in.csv", output=tmp_path / "out.csv", reading=ReadOptions(long_cells=True), force=True)
    assert read_csv(tmp_path / "out.csv")[1][0] == text


@pytest.mark.parametrize("content", ['\v{"text": "hi"}', '{"text": "hi"}\v', '\u00a0"hi"', '"hi"\u2028'])
def test_non_json_whitespace_makes_bad_row(tmp_path: Path, run_job: RunJob, content: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(f' {{"text": "see you"}}\t\r\n{content}\n', encoding="utf-8")
    report = run_job(path, output=tmp_path / "out.jsonl", on_error="skip")
    assert (report.written, report.errors_by_reason) == (1, {"json": 1})
    [window] = read_windows(path, ReadOptions())
    assert ([message.text for message in window.messages], [row.line for row in window.bad]) == (["see you"], [2])


def test_parquet_column_name_with_invalid_utf8_is_refused(tmp_path: Path, run_job: RunJob) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": ["hi"], "otherAB": ["you"]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"otherAB", b"other\xff\xfe"))
    with pytest.raises(InputError, match=r"in\.parquet: a column name is not utf-8 .*; rename it"):
        run_job(path, output=tmp_path / "out.csv")
    with pytest.raises(InputError, match=r"in\.parquet: a column name is not utf-8 .*; rename it"):
        list(read_windows(path, ReadOptions()))


def test_inputs_without_rows_give_empty_outputs(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "in.csv").write_text("id,text\n")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "in.parquet")
    (tmp_path / "in.jsonl").write_text("")
    run_job(tmp_path / "in.csv", output=tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "id,text,label,spam_score,truncated\n"
    run_job(tmp_path / "in.parquet", output=tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["text", *VERDICT]
    report = run_job(tmp_path / "in.jsonl", output=tmp_path / "out.jsonl")
    assert ((tmp_path / "out.jsonl").read_bytes(), report.rows, report.spam_share) == (b"", 0, 0)


def test_text_over_csv_module_field_limit_is_read(tmp_path: Path, run_job: RunJob) -> None:
    write_csv(tmp_path / "in.csv", ["word " * 50_000])
    assert run_job(tmp_path / "in.csv", output=tmp_path / "out.csv").truncated == 1


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
ONE_FOLDER = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ONE_FOLDER
@given(rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=12), part_rows=st.integers(1, 5))
def test_any_text_round_trips_through_all_formats(
    tmp_path: Path, run_job: RunJob, judged: Judged, rows: list[tuple[str, str]], part_rows: int
) -> None:
    names, texts = ['né, "x"', "text"], [text for _, text in rows]
    options: dict[str, Any] = {"force": True, "part_rows": part_rows}
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), tmp_path / "in.parquet")
    run_job(tmp_path / "in.parquet", output=tmp_path / "out.csv", **options)  # the CSV writer quotes all text
    (tmp_path / "again.csv").write_bytes((tmp_path / "out.csv").read_bytes())
    run_job(tmp_path / "again.csv", output=tmp_path / "twice.csv", column_prefix="b_", **options)
    table_rows = read_csv(tmp_path / "twice.csv")
    assert [tuple(row[:2]) for row in table_rows] == [tuple(names), *rows]
    assert [row[2:5] for row in table_rows[1:]] == [row[5:] for row in table_rows[1:]]
    run_job(tmp_path / "in.parquet", output=tmp_path / "out.jsonl", **options)
    objects = read_jsonl_exactly(tmp_path / "out.jsonl")
    assert [(row[names[0]], row["text"]) for row in objects] == rows
    assert [(row["label"], np.float32(row["spam_score"]), row["truncated"]) for row in objects] == judged([*texts])
    run_job(tmp_path / "out.jsonl", output=tmp_path / "out.parquet", column_prefix="b_", **options)
    table = pq.read_table(tmp_path / "out.parquet")
    assert list(zip(table[names[0]].to_pylist(), table["text"].to_pylist(), strict=True)) == rows


def read_jsonl_exactly(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def test_multi_member_gzip_input_is_read_completely(tmp_path: Path, run_job: RunJob) -> None:
    with gzip.open(tmp_path / "in.jsonl.gz", "wt") as stream:
        stream.write('{"text": "hi"}\n')
    with gzip.open(tmp_path / "in.jsonl.gz", "at") as stream:  # a second member
        stream.write('{"text": "you"}\n')
    assert run_job(tmp_path / "in.jsonl.gz", output=tmp_path / "out").rows == 2
    assert [path.name for path in (tmp_path / "out").glob("p*")] == ["part-00000-in.jsonl.gz"]


def test_row_that_format_cannot_hold_leaves_no_part(tmp_path: Path, run_job: RunJob) -> None:
    """The error is raised while later chunks, including the end of the part, are in flight."""
    numbers = [float("nan") if row == 1100 else float(row) for row in range(6000)]
    pq.write_table(pa.table({"text": ["hi"] * 6000, "x": numbers}), tmp_path / "in.parquet")
    for _ in range(2):
        with pytest.raises(InputError, match="cannot be written as JSON"):
            run_job(
                tmp_path / "in.parquet", output=tmp_path / "out", output_format="jsonl", part_rows=4096, resume=True
            )
        assert list((tmp_path / "out").glob("part*")) == []
