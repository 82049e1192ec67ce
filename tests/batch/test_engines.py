"""Local engines: verdicts do not depend on the number of workers; crashes of workers or of the parent process."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from spam_edge import Prediction, RuntimeOptions, SpamClassifier, resources
from spam_edge.batch import Model, Verdicts
from spam_edge.batch.backends import worker_count
from spam_edge.batch.backends.local import ProcessEngine, ThreadEngine, open_local_engine
from spam_edge.bundle.locate import Bundle
from spam_edge.errors import BundleIntegrityError, WorkerError
from spam_edge.runtime.providers import CPU, CUDA
from tests.support.timeouts import wait_until

from .conftest import OPTIONS, RunJob, contents, messages, proc_fields, write_csv

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture
def model(tiny_bundle: Path) -> Model:
    return Model.of(Bundle.find(tiny_bundle), OPTIONS)


def test_process_engine_output_is_identical_to_thread_engine(tmp_path: Path, run_job: RunJob) -> None:
    source = write_csv(tmp_path / "in.csv", messages(5000))
    reports = [run_job(source, output=tmp_path / f"out{count}", part_rows=1500, workers=count) for count in (1, 2)]
    assert [(report.engine, report.workers) for report in reports] == [("thread", 1), ("processes", 2)]
    assert contents(tmp_path / "out1") == contents(tmp_path / "out2")
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(("provider", "at_once"), [(CPU, 1), (CUDA, 2)])
def test_gpu_engine_overlaps_two_chunks_in_order(
    model: Model, monkeypatch: pytest.MonkeyPatch, provider: str, at_once: int
) -> None:
    """The classifier runs on the CPU and reports CUDA as its provider. The order of the verdicts is kept."""
    monkeypatch.setattr(SpamClassifier, "provider", provider)
    running, peak = [0], [0]
    classify = SpamClassifier.classify_batch

    def classify_batch(classifier: SpamClassifier, texts: Sequence[str]) -> list[Prediction]:
        running[0] += 1
        peak[0] = max(peak[0], running[0])
        if peak[0] < at_once:
            wait_until(lambda: peak[0] == at_once)
        predictions = classify(classifier, texts)
        running[0] -= 1
        return predictions

    monkeypatch.setattr(SpamClassifier, "classify_batch", classify_batch)
    chunks = [messages(50, start) for start in (0, 50, 100)]
    with ThreadEngine(model) as engine:
        results = [future.result() for future in [engine.submit(chunk) for chunk in chunks]]
    assert peak == [at_once]
    classifier = model.open()
    assert [verdicts.score.tolist() for verdicts in results] == [classifier.score(chunk).tolist() for chunk in chunks]


def worker_pids() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid]


@posix
def test_killed_worker_is_replaced_without_changing_scores(model: Model, classifier: SpamClassifier) -> None:
    with ProcessEngine(model, 2) as engine:
        engine.submit(["first"]).result()
        futures = [engine.submit(messages(600, start)) for start in range(0, 6000, 600)]
        os.kill(worker_pids()[0], signal.SIGKILL)
        scores = [score for future in futures for score in future.result(60).score.tolist()]
    assert scores == classifier.score(messages(6000)).tolist()
    assert not worker_pids()


@posix
def test_repeatedly_dying_workers_fail_resumable_job(tmp_path: Path, run_job: RunJob) -> None:
    class Doomed(ProcessEngine):
        def submit(self, texts: Sequence[str]) -> Future[Verdicts]:
            return super().submit(["kill me" if "kill me" in text else text for text in texts])

        def _open_pool(self) -> None:
            super()._open_pool()
            self._pool.submit(os._exit, 1)

    source = write_csv(tmp_path / "in.csv", messages(40))
    with pytest.raises(WorkerError, match=r"died 3 times in a row.*--workers.*--resume"):
        run_job(source, output=tmp_path / "out", open_engine=lambda model, _: Doomed(model, 1))
    assert run_job(source, output=tmp_path / "out", resume=True).rows == 40
    assert not worker_pids()


def test_bundle_replaced_during_job_is_refused(model: Model, bundle_copy: Path) -> None:
    with ProcessEngine(Model.of(Bundle.find(bundle_copy), OPTIONS), 2) as engine:
        manifest = bundle_copy / "manifest.json"
        manifest.write_text(manifest.read_text() + "\n")
        with pytest.raises(BundleIntegrityError, match="no longer holds the model that this job started with"):
            engine.submit(["text"]).result(60)
    shutil.rmtree(bundle_copy)


def test_workers_refuse_bundle_with_other_digest(bundle_copy: Path) -> None:
    bundle = Bundle.find(bundle_copy)
    model = replace(Model.of(bundle, replace(OPTIONS, digest=bundle.digest)), digest="0" * 64)
    assert model.options.digest == bundle.digest
    with ProcessEngine(model, 1) as engine, pytest.raises(BundleIntegrityError, match="no longer holds the model"):
        engine.submit(["text"]).result(60)


@posix
def test_interrupted_engine_stops_workers_without_waiting(model: Model) -> None:
    engine = ProcessEngine(model, 1)
    with pytest.raises(KeyboardInterrupt), engine:
        engine.submit(["first"]).result()
        pending = engine.submit(messages(200_000))
        time.sleep(0.5)
        raise KeyboardInterrupt
    with pytest.raises(WorkerError):  # the worker was terminated without waiting
        pending.result(0)
    assert not worker_pids()


@posix
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_workers_exit_when_parent_is_killed(tmp_path: Path, tiny_bundle: Path) -> None:
    source = write_csv(tmp_path / "in.csv", messages(200_000))
    command = [sys.executable, "-m", "spam_edge", "batch", str(source), "-o", str(tmp_path / "out"), "--workers", "2"]
    with subprocess.Popen([*command, "--model", str(tiny_bundle), "--part-rows", "1000"], cwd=ROOT) as process:
        wait_until(lambda: list((tmp_path / "out").glob("part*")))
        children = children_of(process.pid)
        assert len(children) >= 2
        process.kill()
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() and proc_fields(child)[0] != "Z" for child in children))


def children_of(parent: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if proc_fields(pid)[1] == str(parent)]


def test_default_worker_count_fits_cores_and_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Model
) -> None:
    monkeypatch.setattr(worker_count, "available_threads", lambda: 8)
    monkeypatch.setattr(resources, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(resources, "_cgroup_folders", lambda: iter([tmp_path / "mine", tmp_path]))
    (tmp_path / "mine").mkdir()
    cpu = RuntimeOptions(device="cpu")
    assert worker_count.default_workers(cpu) == 8
    assert worker_count.default_workers(replace(cpu, threads=3)) == 2
    assert worker_count.default_workers(RuntimeOptions(device="cuda")) == 1
    (tmp_path / "meminfo").write_text("MemTotal: 9999999 kB\nMemAvailable: 1300000 kB\n")
    assert worker_count.default_workers(cpu) == 5
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "mine" / "memory.max").write_text(f"{900 * 2**20}\n")
    (tmp_path / "mine" / "memory.current").write_text(f"{100 * 2**20}\n")
    assert worker_count.default_workers(cpu) == 3
    (tmp_path / "mine" / "memory.current").write_text(f"{900 * 2**20}\n")
    assert worker_count.default_workers(cpu) == 1
    with open_local_engine(model, None) as engine:
        assert isinstance(engine, ThreadEngine)
