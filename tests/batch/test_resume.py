"""Resume after a crash: the job continues where it stopped, and the output is byte-identical."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spam_edge import RuntimeOptions
from spam_edge.batch import Engine, Model, Verdicts
from spam_edge.batch.backends.local import ThreadEngine
from spam_edge.errors import JobError

from .conftest import OPTIONS, RunJob, contents, messages, write_csv, write_jsonl


class SimulatedCrash(BaseException):
    """A simulated crash that no job catches."""


class CrashingEngine(ThreadEngine):
    """Raises ``SimulatedCrash`` after a number of chunks."""

    def __init__(self, model: Model, chunks: int) -> None:
        super().__init__(model)
        self.left = chunks

    def submit(self, texts: Sequence[str]) -> Future[Verdicts]:
        self.left -= 1
        if self.left < 0:
            raise SimulatedCrash
        return super().submit(texts)


def crashing_after(chunks: int) -> Callable[[Model, int | None], Engine]:
    return lambda model, _: CrashingEngine(model, chunks)


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    """Write two CSV files, the first with a bad row at its end."""
    first = write_csv(tmp_path / "a.csv", messages(9))
    with first.open("a") as stream:
        stream.write("too,few\n")
    second = write_csv(tmp_path / "b.csv", messages(4, start=7))
    return [first, second]


JOB_OPTIONS = {"part_rows": 3, "on_error": "skip"}


@pytest.mark.parametrize("output", ["out", "out.csv", "out.csv.gz", "out.parquet"])
def test_job_crashed_at_any_chunk_resumes_to_identical_output(
    tmp_path: Path, run_job: RunJob, inputs: list[Path], output: str
) -> None:
    (tmp_path / "whole").mkdir()
    uninterrupted = run_job(*inputs, output=tmp_path / "whole" / output, **JOB_OPTIONS)
    expected = contents(tmp_path / "whole" / output)
    assert len(expected) == (7 if output == "out" else 2)  # including the reject file
    for chunks in range(uninterrupted.parts):
        folder = tmp_path / f"died{chunks}"
        folder.mkdir()
        with pytest.raises(SimulatedCrash):
            run_job(*inputs, output=folder / output, open_engine=crashing_after(chunks), **JOB_OPTIONS)
        assert not (folder / output).is_file()
        report = run_job(*inputs, output=folder / output, resume=True, **JOB_OPTIONS)
        assert contents(folder / output) == expected
        assert without_run_fields(report) == without_run_fields(uninterrupted)
        assert report.parts_resumed == max(0, chunks - 3)  # up to three chunks are in flight


def without_run_fields(report: Any) -> Any:
    same = {"seconds": 0.0, "rows_per_second": 0.0, "parts_resumed": 0, "output": "", "already_finished": False}
    return replace(report, **same)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_crashed_jsonl_and_parquet_jobs_resume_to_identical_output(tmp_path: Path, run_job: RunJob, kind: str) -> None:
    source = tmp_path / f"in.{kind}"
    if kind == "jsonl":
        write_jsonl(source, [*messages(20), None])
    else:
        table = pa.table({"text": [*messages(20), None], "who": pa.array(["a", "b", "c"] * 7).dictionary_encode()})
        pq.write_table(table, source, row_group_size=5)
    for name in ("one.parquet", "two.parquet"):
        if name == "two.parquet":
            with pytest.raises(SimulatedCrash):
                run_job(source, output=tmp_path / name, open_engine=crashing_after(6), part_rows=3)
        report = run_job(source, output=tmp_path / name, resume=True, part_rows=3)
    assert report.parts_resumed > 0
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_lost_or_changed_parts_are_rewritten_on_resume(tmp_path: Path, run_job: RunJob, inputs: list[Path]) -> None:
    run_job(*inputs, output=tmp_path / "out", **JOB_OPTIONS)
    expected = contents(tmp_path / "out")
    first, second, *_ = sorted((tmp_path / "out").glob("part*"))
    first.unlink()
    second.write_bytes(b"changed")
    (tmp_path / "out" / f".{second.name}.abcd0123.partial").touch()
    (tmp_path / "out" / ".spam-edge" / "done.json").unlink()
    report = run_job(*inputs, output=tmp_path / "out", resume=True, **JOB_OPTIONS)
    assert (contents(tmp_path / "out"), report.parts_resumed) == (expected, report.parts - 2)


def test_resuming_finished_job_processes_nothing(tmp_path: Path, run_job: RunJob, inputs: list[Path]) -> None:
    first = run_job(*inputs, output=tmp_path / "out", **JOB_OPTIONS)
    resumed = run_job(*inputs, output=tmp_path / "out", resume=True, open_engine=crashing_after(0), **JOB_OPTIONS)
    assert resumed == replace(first, already_finished=True)


@pytest.fixture
def resume_crashed_job(tmp_path: Path, run_job: RunJob, inputs: list[Path]) -> Callable[..., Any]:
    """Return a function that resumes a job that crashed half-way."""
    with pytest.raises(SimulatedCrash):
        run_job(*inputs, output=tmp_path / "out", open_engine=crashing_after(5), **JOB_OPTIONS)
    assert list((tmp_path / "out").glob("part*"))
    return lambda **changes: run_job(*inputs, output=tmp_path / "out", resume=True, **JOB_OPTIONS | changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"runtime": RuntimeOptions(device="cpu", threshold=0.9)}, "threshold was 0.48.* and is 0.9 now"),
        ({"runtime": replace(OPTIONS, variant="fp32")}, r"variant was '(int8|fused)' .* 'fp32' now"),
        ({"part_rows": 4}, "part rows was 3 .* is 4 now"),
        ({"on_error": "null"}, "on error was 'skip'"),
        ({"column_prefix": "x"}, "columns was"),
        ({"output_format": "jsonl"}, "format was 'csv'"),
    ],
)
def test_resume_with_changed_option_is_refused(
    resume_crashed_job: Callable[..., Any], changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(JobError, match=f"cannot resume: {reason}.*--force starts over"):
        resume_crashed_job(**changes)


def test_resume_with_changed_bundle_is_refused(resume_crashed_job: Callable[..., Any], bundle_copy: Path) -> None:
    manifest = bundle_copy / "manifest.json"
    manifest.write_text(manifest.read_text() + "\n")
    with pytest.raises(JobError, match="the bundle differs"):
        resume_crashed_job(bundle=bundle_copy)


def test_resume_with_changed_input_is_refused(
    resume_crashed_job: Callable[..., Any], inputs: list[Path], tmp_path: Path
) -> None:
    before = inputs[0].stat()
    content = inputs[0].read_bytes()
    inputs[0].write_bytes(content + b"1,x,y\n")
    with pytest.raises(JobError, match=r"the input .*a\.csv changed"):
        resume_crashed_job()
    inputs[0].write_bytes(content.replace(b"Free", b"FREE", 1))
    os.utime(inputs[0], ns=(before.st_atime_ns, before.st_mtime_ns))  # size and modification time are unchanged
    with pytest.raises(JobError, match=r"a\.csv changed"):
        resume_crashed_job()
    inputs[0].write_bytes(content)
    os.utime(inputs[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert resume_crashed_job().rows == 14


def test_resume_with_changed_parquet_column_is_refused(tmp_path: Path, run_job: RunJob) -> None:
    source = tmp_path / "in.parquet"
    tables = [pa.table({"text": messages(8), "n": [number, *range(7)]}) for number in (1, 2)]
    pq.write_table(tables[0], source, compression="none", write_statistics=False)
    with pytest.raises(SimulatedCrash):
        run_job(source, output=tmp_path / "out", open_engine=crashing_after(5), part_rows=1)
    before = source.stat()
    pq.write_table(tables[1], source, compression="none", write_statistics=False)
    assert source.stat().st_size == before.st_size
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(JobError, match=r"in\.parquet changed"):
        run_job(source, output=tmp_path / "out", resume=True, part_rows=1)
