"""Overlong messages, lines and values: a single row never ends a job."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spam_edge import SpamClassifier
from spam_edge.errors import InputError
from spam_edge.readers import extraction, lines
from spam_edge.text.tokenization import READS

from .conftest import RunJob, messages, read_jsonl, write_csv, write_jsonl

LONG = "😀" * READS


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_long_message_is_scored_up_to_length_limit(
    tmp_path: Path, run_job: RunJob, classifier: SpamClassifier, kind: str
) -> None:
    source, texts = tmp_path / f"in.{kind}", ["hi", LONG, LONG + "!", "see you"]
    if kind == "parquet":
        pq.write_table(pa.table({"text": texts}), source)
    else:
        (write_csv if kind == "csv" else write_jsonl)(source, texts)  # type: ignore[operator]
    run_job(source, output=tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet")
    expected = classifier.classify_batch(texts)
    assert table["text"].to_pylist() == texts
    assert table["label"].to_pylist() == [prediction.label for prediction in expected]
    assert table["spam_score"].to_pylist() == [prediction.score for prediction in expected]
    assert table["truncated"].to_pylist() == [prediction.truncated for prediction in expected]
    assert expected[2].truncated
    assert expected[1].score == expected[2].score


@pytest.fixture
def overlong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lower the length limit and write one file per format whose third row exceeds it."""
    monkeypatch.setattr(lines, "LONGEST_LINE", 1_000)
    monkeypatch.setattr(extraction, "LONGEST_LINE", 1_000)
    texts = ["one", "two", "x" * 200_000, "four"]
    write_csv(tmp_path / "in.csv", texts)
    write_jsonl(tmp_path / "in.jsonl", [*texts])
    pq.write_table(pa.table({"id": range(4), "text": texts}), tmp_path / "in.parquet")
    kinds = pa.array(texts).dictionary_encode()
    pq.write_table(pa.table({"id": range(4), "text": kinds}), tmp_path / "coded.parquet")
    return tmp_path


BAD_LINES = {"in.csv": 4, "in.jsonl": 3, "in.parquet": 3, "coded.parquet": 3}


@pytest.mark.parametrize("name", BAD_LINES)
def test_overlong_row_is_treated_as_bad_row(
    overlong: Path, run_job: RunJob, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("spam_edge.batch.reading.parquet.LONGEST_LINE", 1_000)
    source, line = overlong / name, BAD_LINES[name]
    with pytest.raises(InputError, match=rf"{name}:{line}: .*longer than 1,000 .*--on-error skip omits bad rows"):
        run_job(source, output=overlong / "fail", part_rows=1)
    with pytest.raises(InputError, match=rf"{name}:{line}: "):
        run_job(source, output=overlong / "fail", part_rows=1, resume=True)
    report = run_job(source, output=overlong / "skip", on_error="skip", output_format="parquet")
    assert (report.errors_by_reason, report.written) == ({"length": 1}, 3)
    [reject] = read_jsonl(overlong / "skip" / "rejects.jsonl")
    assert "longer than 1,000" in reject["reason"]
    assert line in reject.values()
    run_job(source, output=overlong / "null", on_error="null", output_format="parquet")
    [part] = (overlong / "null").glob("part*")
    labels = pq.read_table(part)["label"].to_pylist()
    assert [label is None for label in labels] == [False, False, True, False]


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="limits the address space as on Linux")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_worker_survives_huge_message_under_memory_limit(tmp_path: Path, tiny_bundle: Path, workers: str) -> None:
    texts = [*messages(3), "😀" * 3_000_000, *messages(3)]
    rows = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    (tmp_path / "in.jsonl").write_text(rows, encoding="utf-8")
    command = [sys.executable, "-m", "spam_edge", "batch", "in.jsonl", "-o", "out.jsonl", "--workers", workers]
    limited = ["sh", "-c", 'ulimit -d 700000 && exec "$@"', "sh", *command]
    completed = subprocess.run(
        [*limited, "--model", str(tiny_bundle), "--device", "cpu"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert completed.returncode == 0, completed.stderr
    assert [row["truncated"] for row in read_jsonl(tmp_path / "out.jsonl")] == [False] * 3 + [True] + [False] * 3
