"""What comes out: all columns as they were, and the verdicts of the classifier to the bit."""

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

from .conftest import RunJob, messages, read_csv, read_jsonl, write_csv, write_jsonl

Judged = Callable[[list[str | None]], list[tuple[Any, Any, Any]]]
VERDICT = ["label", "spam_score", "truncated"]


def verdicts_of(table: pa.Table) -> list[tuple[Any, Any, Any]]:
    scores = [None if value is None else np.float32(value) for value in table["spam_score"].to_pylist()]
    return list(zip(table["label"].to_pylist(), scores, table["truncated"].to_pylist(), strict=True))


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("compression", ["", ".gz", ".zst"])
def test_csv_keeps_its_columns(tmp_path: Path, run_job: RunJob, judged: Judged, kind: str, compression: str) -> None:
    texts = [*messages(3000), "", "long word " * 400, "a\rb"]
    delimiter = "\t" if kind == "tsv" else ","
    source = write_csv(tmp_path / f"in.{kind}", texts, delimiter=delimiter)
    before = read_csv(source, delimiter)
    if compression:
        packed = source.with_name(source.name + compression)
        packed.write_bytes(pa.compress(source.read_bytes(), {".gz": "gzip", ".zst": "zstd"}[compression], asbytes=True))
        source = packed
    run_job(source, output=tmp_path / f"out.{kind}{compression}", part_rows=1100)
    with pa.input_stream(str(tmp_path / f"out.{kind}{compression}")) as stream:  # several members, one after another
        (tmp_path / "plain").write_bytes(stream.read())
    header, *rows = read_csv(tmp_path / "plain", delimiter)
    assert header == [*before[0], *VERDICT]
    assert [row[:3] for row in rows] == before[1:]
    assert [(label, np.float32(score), truncated == "true") for *_, label, score, truncated in rows] == judged([*texts])
    assert {truncated for *_, truncated in rows} == {"true", "false"}


def test_json_stays_as_it_was_written(tmp_path: Path, run_job: RunJob, judged: Judged) -> None:
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
    found = [json.loads(line) for line in written]
    scores = [tuple(row[name] for name in VERDICT) for row in found]
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
def test_parquet_keeps_types_and_metadata(tmp_path: Path, run_job: RunJob, judged: Judged, single: bool) -> None:
    texts: list[str | None] = [*messages(2500), None, ""]
    table = table_of(texts)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=700)
    output = tmp_path / ("out.parquet" if single else "out")
    run_job(tmp_path / "in.parquet", output=output, part_rows=900)
    files = [output] if single else sorted(output.glob("*.parquet"))
    assert [pq.ParquetFile(file).num_row_groups for file in files] == ([3] if single else [1, 1, 1])
    found = pa.concat_tables(pq.read_table(file, partitioning=None) for file in files)
    assert found.select(table.column_names).cast(table.schema).equals(table)
    assert found.schema.remove_metadata().equals(
        pa.schema([*table.schema, ("label", pa.string()), ("spam_score", pa.float32()), ("truncated", pa.bool_())])
    )
    assert found.schema.metadata[b"made by"] == b"a test"
    assert found.schema.field("id").metadata[b"unit"] == b"none"
    assert verdicts_of(found) == judged(texts)


def test_csv_and_json_become_parquet(tmp_path: Path, run_job: RunJob, judged: Judged) -> None:
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


def test_json_without_one_type_is_no_parquet(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "n": 1}\n{"text": "b", "n": {"deep": "x"}}\n')
    for rows in (1, 2):
        with pytest.raises(InputError, match=r"in\.jsonl: lines .* one type per column .*--format jsonl"):
            run_job(tmp_path / "in.jsonl", output=tmp_path / f"out{rows}.parquet", part_rows=rows)
        assert not (tmp_path / f"out{rows}.parquet").exists()


def test_parquet_becomes_text_where_nothing_is_lost(tmp_path: Path, run_job: RunJob, judged: Judged) -> None:
    texts: list[str | None] = [*messages(9), None, ""]
    day = datetime.date(2024, 2, 29)
    table = pa.table({"text": texts, "day": [day] * 11, "n": [2**60 + number for number in range(11)]})
    pq.write_table(table, tmp_path / "in.parquet")
    run_job(tmp_path / "in.parquet", output=tmp_path / "out.csv", part_rows=4)
    rows = read_csv(tmp_path / "out.csv")
    assert [row[:3] for row in rows[1:]] == [[text or "", "2024-02-29", str(2**60 + n)] for n, text in enumerate(texts)]
    found = [tuple(row[3:]) for row in rows[1:]]
    assert [(a or None, np.float32(b) if b else None, c == "true" if c else None) for a, b, c in found] == judged(texts)
    assert (tmp_path / "out.csv").read_text().splitlines()[-2].startswith(",2024")  # null, unlike ""
    with pytest.raises(JobError, match=r"column 'day' \(date32\[day\]\) does not fit into jsonl; use --format parquet"):
        run_job(tmp_path / "in.parquet", output=tmp_path / "out.jsonl")
    pq.write_table(table.drop_columns(["day"]), tmp_path / "in.parquet")
    run_job(tmp_path / "in.parquet", output=tmp_path / "out.jsonl")
    assert [row["n"] for row in read_jsonl(tmp_path / "out.jsonl")] == table["n"].to_pylist()
    pq.write_table(table_of(texts), tmp_path / "nested.parquet")
    with pytest.raises(JobError, match="'deep'"):
        run_job(tmp_path / "nested.parquet", output=tmp_path / "nested.csv")
    write_jsonl(tmp_path / "in.jsonl", ["a"])
    with pytest.raises(JobError, match="JSON values do not fit into csv"):
        run_job(tmp_path / "in.jsonl", output=tmp_path / "json.csv")


def test_a_column_of_the_same_name(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "in.csv").write_text("text,label\nhi,mine\n")
    with pytest.raises(JobError, match="there is a column 'label' already; --column-prefix"):
        run_job(tmp_path / "in.csv", output=tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    run_job(tmp_path / "in.csv", output=tmp_path / "out.csv", column_prefix="is_")
    assert read_csv(tmp_path / "out.csv")[0] == ["text", "label", "is_label", "is_spam_score", "is_truncated"]
    (tmp_path / "in.jsonl").write_text('{"text": "hi"}\n{"text": "hi", "truncated": 1}\n')
    with pytest.raises(JobError, match=r"in\.jsonl:2: there is a column 'truncated'"):
        run_job(tmp_path / "in.jsonl", output=tmp_path / "out.jsonl")


def test_inputs_without_rows(tmp_path: Path, run_job: RunJob) -> None:
    (tmp_path / "in.csv").write_text("id,text\n")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "in.parquet")
    (tmp_path / "in.jsonl").write_text("")
    run_job(tmp_path / "in.csv", output=tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "id,text,label,spam_score,truncated\n"
    run_job(tmp_path / "in.parquet", output=tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["text", *VERDICT]
    report = run_job(tmp_path / "in.jsonl", output=tmp_path / "out.jsonl")
    assert ((tmp_path / "out.jsonl").read_bytes(), report.rows, report.spam_share) == (b"", 0, 0)


def test_a_text_longer_than_the_csv_module_likes(tmp_path: Path, run_job: RunJob) -> None:
    write_csv(tmp_path / "in.csv", ["word " * 50_000])
    assert run_job(tmp_path / "in.csv", output=tmp_path / "out.csv").truncated == 1


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
ONE_FOLDER = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ONE_FOLDER
@given(rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=12), part_rows=st.integers(1, 5))
def test_any_text_comes_back(
    tmp_path: Path, run_job: RunJob, judged: Judged, rows: list[tuple[str, str]], part_rows: int
) -> None:
    names, texts = ['né, "x"', "text"], [text for _, text in rows]
    options: dict[str, Any] = {"force": True, "part_rows": part_rows}
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), tmp_path / "in.parquet")
    run_job(tmp_path / "in.parquet", output=tmp_path / "out.csv", **options)  # quotes everything
    (tmp_path / "again.csv").write_bytes((tmp_path / "out.csv").read_bytes())
    run_job(tmp_path / "again.csv", output=tmp_path / "twice.csv", column_prefix="b_", **options)
    found = read_csv(tmp_path / "twice.csv")
    assert [tuple(row[:2]) for row in found] == [tuple(names), *rows]
    assert [row[2:5] for row in found[1:]] == [row[5:] for row in found[1:]]
    run_job(tmp_path / "in.parquet", output=tmp_path / "out.jsonl", **options)
    objects = read_jsonl_exactly(tmp_path / "out.jsonl")
    assert [(row[names[0]], row["text"]) for row in objects] == rows
    assert [(row["label"], np.float32(row["spam_score"]), row["truncated"]) for row in objects] == judged([*texts])
    run_job(tmp_path / "out.jsonl", output=tmp_path / "out.parquet", column_prefix="b_", **options)
    table = pq.read_table(tmp_path / "out.parquet")
    assert list(zip(table[names[0]].to_pylist(), table["text"].to_pylist(), strict=True)) == rows


def read_jsonl_exactly(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def test_gzip_of_other_programs(tmp_path: Path, run_job: RunJob) -> None:
    with gzip.open(tmp_path / "in.jsonl.gz", "wt") as stream:
        stream.write('{"text": "hi"}\n')
    with gzip.open(tmp_path / "in.jsonl.gz", "at") as stream:  # a second member
        stream.write('{"text": "you"}\n')
    assert run_job(tmp_path / "in.jsonl.gz", output=tmp_path / "out").rows == 2
    assert [path.name for path in (tmp_path / "out").glob("p*")] == ["part-00000-in.jsonl.gz"]
