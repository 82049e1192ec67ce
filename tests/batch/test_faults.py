"""Faults during a job: full disk, changed input, changed bundle, unsupported processor."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spam_edge import RuntimeOptions
from spam_edge.batch import BatchJob, Model, Progress
from spam_edge.bundle.locate import Bundle
from spam_edge.errors import InputError, JobError, ProviderUnavailableError
from spam_edge.runtime import session
from spam_edge.runtime.session import resolve_options
from tests.support.timeouts import TIMEOUT, wait_until

from .conftest import OPTIONS, RunJob, contents, messages, proc_fields, write_csv

posix = pytest.mark.skipif(os.name != "posix", reason="limits and signals of POSIX")
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Whole = Callable[[str, int], tuple[Path, dict[str, bytes]]]
PLENTY = "64m"


@pytest.fixture
def command(tiny_bundle: Path) -> list[str]:
    return [sys.executable, "-m", "spam_edge", "batch", "--model", str(tiny_bundle), "--device", "cpu", "--quiet"]


@pytest.fixture
def run(command: list[str]) -> Run:
    """Return a function that runs the command, optionally with a file size limit."""

    def run(*arguments: str | Path, blocks: str = "unlimited") -> "subprocess.CompletedProcess[str]":
        limited = ["sh", "-c", 'ulimit -f "$0" && exec "$@"', blocks, *command, *map(str, arguments)]
        return subprocess.run(limited, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None or mount(folder, "200k").returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def mount(folder: Path, size: str, *options: str) -> "subprocess.CompletedProcess[bytes]":
    kind = ["-t", "tmpfs", "-o", ",".join([*options, f"size={size}"]), "tmpfs", str(folder)]
    return subprocess.run(["mount", *kind], capture_output=True, check=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Whole:
    """Return a function that runs a job without faults, once for each output and number of rows per part."""

    @cache
    def outputs(name: str, part_rows: int) -> tuple[Path, dict[str, bytes]]:
        folder = tmp_path_factory.mktemp("whole")
        source = write_csv(folder / "in.csv", messages(4000))
        settings = {"bundle": tiny_bundle, "runtime": OPTIONS, "workers": 1, "part_rows": part_rows}
        BatchJob(inputs=[source], output=folder / name, **settings).run()
        return source, contents(folder / name)

    return outputs


@posix
@pytest.mark.parametrize(
    ("name", "workers"), [("out", 1), ("out", 2), ("out.csv", 1), ("out.parquet", 1), ("out.csv.gz", 1)]
)
def test_job_stopped_by_full_disk_can_be_resumed(disk: Path, run: Run, whole: Whole, name: str, workers: int) -> None:
    source, expected = whole(name, 250)
    arguments = [source, "--part-rows", "250", "--workers", str(workers), "--resume", "-o"]
    if "." in name:  # the parts fit on the disk, the assembled file does not
        assert mount(disk, f"{sum(map(len, expected.values())) * 3 // 2 // 1024 + 70}k", "remount").returncode == 0
    stopped = run(*arguments, disk / name)
    check_stopped(stopped, disk / name, "No space left on device")
    if name == "out":
        assert contents(disk / name).items() < expected.items()
    assert mount(disk, PLENTY, "remount").returncode == 0
    resumed = run(*arguments, disk / name)
    assert resumed.returncode == 0, resumed.stderr
    assert contents(disk / name) == expected
    assert not list(disk.rglob("*.partial"))


def check_stopped(stopped: "subprocess.CompletedProcess[str]", output: Path, reason: str) -> None:
    """Check for a one-line error that names a file of the job, and for no partial files."""
    assert (stopped.returncode, stopped.stderr.count("\n")) == (1, 1), stopped.stderr
    assert stopped.stderr.startswith(f"Error: {output.parent}")
    assert f"cannot be written ({reason}); fix this and continue with --resume" in stopped.stderr
    assert not output.is_file()
    assert not list(output.parent.rglob("*.partial"))


@posix
@pytest.mark.parametrize("name", ["out", "out.csv", "out.parquet"])
def test_job_stopped_by_file_size_limit_can_be_resumed(tmp_path: Path, run: Run, whole: Whole, name: str) -> None:
    part_rows = 4000 if name == "out" else 250
    source, expected = whole(name, part_rows)
    arguments = [source, "--workers", "1", "--resume", "--part-rows", str(part_rows), "-o"]
    stopped = run(*arguments, tmp_path / name, blocks="60")
    check_stopped(stopped, tmp_path / name, "File too large")
    assert run(*arguments, tmp_path / name).returncode == 0
    assert contents(tmp_path / name) == expected


@posix
def test_failed_report_write_can_be_repeated_with_resume(tmp_path: Path, disk: Path, run: Run) -> None:
    write_csv(tmp_path / "in.csv", messages(3))
    arguments = [tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--report", disk / "report.json", "--resume"]
    (disk / "big").write_bytes(b"")
    with (disk / "big").open("r+b", buffering=0) as stream, pytest.raises(OSError, match="No space"):
        while True:
            stream.write(bytes(4096))
    assert "report.json cannot be written (No space" in run(*arguments).stderr
    (disk / "big").unlink()
    assert run(*arguments).returncode == 0
    assert (disk / "report.json").stat().st_size > 0


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("change", ["append", "touch", "remove", "replace"])
def test_input_changed_during_job_is_refused(tmp_path: Path, run_job: RunJob, kind: str, change: str) -> None:
    source = tmp_path / f"in.{kind}"
    if kind == "csv":
        write_csv(source, messages(6_000))
    else:
        pq.write_table(pa.table({"text": messages(6_000)}), source, row_group_size=300)
    ordinary = write_csv(tmp_path / "in2.csv", messages(10))
    progress_calls = 0

    def on_progress(_: Progress) -> None:
        nonlocal progress_calls
        progress_calls += 1
        if progress_calls == 3:
            changes[change]()

    def append() -> None:
        with source.open("ab") as stream:
            stream.write(b"1,2,3\n")

    def substitute() -> None:
        shutil.copyfile(source, tmp_path / "other")
        (tmp_path / "other").replace(source)

    changes = {
        "append": append,
        "touch": lambda: os.utime(source, (1, 1)),
        "remove": source.unlink,
        "replace": substitute,
    }
    with pytest.raises(JobError, match=rf"in\.{kind} changed while it was read; --force starts over"):
        run_job(source, ordinary, output=tmp_path / "out", part_rows=600, progress=on_progress, output_format="parquet")


def test_input_change_is_reported_before_resulting_bad_rows(tmp_path: Path, run_job: RunJob) -> None:
    source = write_csv(tmp_path / "in.csv", messages(20_000))

    def cut_short(progress: Progress) -> None:
        if progress.rows < 2000:
            source.write_bytes(source.read_bytes()[:-100_007])

    with pytest.raises(JobError, match=r"in\.csv changed while it was read"):
        run_job(source, output=tmp_path / "out", progress=cut_short)


@posix
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds workers in /proc")
def test_bundle_replaced_during_job_is_refused_and_resumable(
    tmp_path: Path, command: list[str], run: Run, bundle_copy: Path, tiny_bundle: Path
) -> None:
    source = write_csv(tmp_path / "in.csv", messages(30_000))
    arguments = [str(source), "--part-rows", "500", "--workers", "2", "--resume", "--model"]
    replacement = Path(shutil.copytree(tiny_bundle, tmp_path / "other"))
    manifest = replacement / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"temperature": ', '"temperature": 1'))
    with subprocess.Popen(
        [*command, *arguments, str(bundle_copy), "-o", str(tmp_path / "out")], stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until((tmp_path / "out" / "part-00003-in.csv").exists)
        bundle_copy.rename(tmp_path / "old")
        replacement.rename(bundle_copy)
        parts_before = len(list((tmp_path / "out").glob("part-*")))
        # Running workers keep the old bundle.
        wait_until(lambda: len(list((tmp_path / "out").glob("part-*"))) > parts_before + 3)
        os.kill(worker_of(process.pid), signal.SIGKILL)
        _, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1, stderr
    assert stderr.count("\n") == 1
    assert "no longer holds the model that this job started with" in stderr
    refused = run(*arguments, bundle_copy, "-o", tmp_path / "out")
    assert "cannot resume: the bundle differs from that of the job" in refused.stderr
    assert run(*arguments, tmp_path / "old", "-o", tmp_path / "out").returncode == 0
    assert run(*arguments, tiny_bundle, "-o", tmp_path / "whole").returncode == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def worker_of(parent: int) -> int:
    """Return the child process with the most CPU time."""
    children = [
        int(path.name)
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and proc_fields(path.name)[1] == str(parent)
    ]
    return max(children, key=lambda child: int(proc_fields(child)[11]))


def simulate_unsupported_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a processor that the fused operator does not support."""
    monkeypatch.setattr(session, "unavailable_reason", lambda: "no AVX2 here")


@pytest.mark.fused
def test_resumed_job_requires_same_variant(tmp_path: Path, run_job: RunJob, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_csv(tmp_path / "in.csv", [*messages(20), "a\nb"])
    with source.open("a") as stream:
        stream.write("too,few\n")
    with pytest.raises(InputError, match="2 fields"):
        run_job(source, output=tmp_path / "out", part_rows=3)
    shutil.copytree(tmp_path / "out", tmp_path / "named")
    with monkeypatch.context() as patch:
        simulate_unsupported_processor(patch)
        with pytest.raises(JobError, match="variant was 'fused' when the job began and is 'int8' now; --force"):
            run_job(source, output=tmp_path / "out", part_rows=3, resume=True)
    for output, runtime in (("out", OPTIONS), ("named", replace(OPTIONS, variant="fused"))):
        with pytest.raises(InputError, match="2 fields"):  # the resumed job stops at the same row
            run_job(source, output=tmp_path / output, part_rows=3, resume=True, runtime=runtime)


@pytest.mark.fused
def test_worker_on_other_processor_refuses_different_model_file(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model.of(Bundle.find(tiny_bundle), RuntimeOptions(threads=1))
    assert (model.options.device, model.options.variant, model.file) == ("cpu", "fused", "onnx/model_fused.onnx")
    with monkeypatch.context() as patch:
        simulate_unsupported_processor(patch)
        with pytest.raises(ProviderUnavailableError, match="no AVX2 here"):
            model.open()
    graph = Model.of(Bundle.find(tiny_bundle), RuntimeOptions(threads=1, variant="int8"))
    with pytest.raises(JobError, match=f"this job runs other.onnx, but this processor selects {graph.file}"):
        replace(graph, file="other.onnx").open()


def test_auto_device_falls_back_to_cpu_without_working_cuda(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "offers_cuda", lambda: True)  # CUDA build without a GPU
    options, file = resolve_options(Bundle.find(tiny_bundle), RuntimeOptions())
    assert (options.device, options.variant) in {("cpu", "fused"), ("cpu", "int8")}
    assert (tiny_bundle / file).is_file()
