"""Jobs on a real Ray and Spark: output bit-identical to the local engine, also after crashes of workers or the job."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from spam_edge.batch import BatchJob, BatchReport, Engine, Model, OpenEngine, Progress, engine_named
from spam_edge.bundle.locate import Bundle
from spam_edge.errors import BundleIntegrityError, BundleNotFoundError, OptionError, WorkerError
from tests.support import loads as load_counts
from tests.support import workers
from tests.support.timeouts import TIMEOUT, wait_until

from .conftest import OPTIONS, RunJob, contents, messages, write_csv

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX"),
]
ROWS, PART_ROWS = 10_500, 1_500
COMMAND = [sys.executable, "-m", "spam_edge", "batch", "in.csv", "--part-rows", str(PART_ROWS), "--device", "cpu"]


def _needs(cluster: str) -> None:
    pytest.importorskip({"ray": "ray", "spark": "pyspark"}[cluster])
    if cluster == "spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java 17 or newer, and there is no java here")


@pytest.fixture(scope="module", params=["ray", "spark"])
def cluster(request: pytest.FixtureRequest, tiny_bundle: Path, load_files: Path) -> Iterator[str]:
    """Start a cluster with two workers in this process. Jobs must use it and leave it running."""
    _needs(request.param)
    with engine_named(request.param)(Model.of(Bundle.find(tiny_bundle), OPTIONS), 2):
        yield request.param


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("source") / "in.csv", messages(ROWS))


@pytest.fixture(scope="module")
def local(source: Path, tiny_bundle: Path) -> tuple[BatchReport, dict[str, bytes]]:
    """Return the report and the output of the local engine."""
    output = source.parent / "local"
    settings = {"bundle": tiny_bundle, "runtime": OPTIONS, "workers": 1, "part_rows": PART_ROWS}
    report = BatchJob(inputs=[source], output=output, **settings).run()
    assert (report.rows, report.parts) == (ROWS, 7)
    return report, contents(output)


@pytest.fixture
def run(source: Path, tmp_path: Path, run_job: RunJob) -> RunJob:
    """Return a function that runs the test job."""
    return partial(run_job, source, output=tmp_path / "out", part_rows=PART_ROWS, workers=2)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, source: Path, tiny_bundle: Path) -> list[str]:
    monkeypatch.chdir(source.parent)
    monkeypatch.setenv("SPAM_EDGE_MODEL", str(tiny_bundle))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return COMMAND


def engine_opener(cluster: str, kind: type[Model], budget: int | None = None, **more: Any) -> OpenEngine:
    """Return an engine factory whose workers open ``kind``; a different token budget forces a new session."""

    def open_engine(model: Model, count: int | None) -> Engine:
        values = {field.name: getattr(model, field.name) for field in fields(Model)}
        options = replace(OPTIONS, token_budget=budget) if budget else OPTIONS
        return engine_named(cluster)(kind(**values | {"options": options} | more), count)

    return open_engine


def without_run_fields(report: BatchReport) -> BatchReport:
    same = {"seconds": 0.0, "rows_per_second": 0.0, "engine": "", "workers": 0, "output": "", "parts_resumed": 0}
    return replace(report, **same)


def test_cluster_output_is_byte_identical_to_local_output(
    cluster: str, run: RunJob, tmp_path: Path, local: Any, loads: Callable[[], dict[int, int]]
) -> None:
    report = run(open_engine=engine_opener(cluster, workers.CountedModel, budget=4000))
    assert (report.engine, report.workers) == (cluster, 2)
    assert without_run_fields(report) == without_run_fields(local[0])
    assert contents(tmp_path / "out") == local[1]
    opened = loads()
    assert set(opened.values()) == {1}
    assert os.getpid() not in opened


@pytest.mark.usefixtures("loads")
def test_killed_cluster_workers_are_replaced(
    cluster: str, run: RunJob, tmp_path: Path, local: Any, load_files: Path
) -> None:
    killed: set[int] = set()

    def kill(progress: Progress) -> None:
        if progress.rows > PART_ROWS and not killed:
            killed.update(int(file.name) for file in load_files.iterdir())
            for worker in killed:
                os.kill(worker, signal.SIGKILL)

    report = run(open_engine=engine_opener(cluster, workers.CountedModel, budget=5000), progress=kill)
    assert without_run_fields(report) == without_run_fields(local[0])
    assert contents(tmp_path / "out") == local[1]
    opened = load_counts.loads(load_files)
    assert set(opened.values()) == {1}
    assert killed
    assert set(opened) - killed  # new workers replaced the killed ones


def test_repeatedly_dying_workers_fail_resumable_job(cluster: str, run: RunJob, tmp_path: Path, local: Any) -> None:
    marker = tmp_path / "die"

    def let_workers_die(progress: Progress) -> None:
        if progress.rows > PART_ROWS:
            marker.touch()

    open_engine = engine_opener(cluster, workers.MortalModel, marker=marker)
    with pytest.raises(WorkerError, match=rf"reported by {cluster}; .*--resume") as caught:
        run(open_engine=open_engine, progress=let_workers_die)
    assert "\n" not in str(caught.value)
    report = run(resume=True, workers=1)  # with the local engine
    assert report.parts_resumed >= 1
    assert contents(tmp_path / "out") == local[1]


def test_killed_local_job_resumes_on_cluster(
    cluster: str, run: RunJob, tmp_path: Path, local: Any, command: list[str]
) -> None:
    output = tmp_path / "out"
    arguments = ["-o", str(output), "--workers", "1"]
    with subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL) as process:
        wait_for(output / ".spam-edge" / "part-00001.json", process)
        process.kill()
    report = run(resume=True, open_engine=engine_named(cluster))
    assert 2 <= report.parts_resumed < 7
    assert without_run_fields(report) == without_run_fields(local[0])
    assert contents(output) == local[1]


def wait_for(path: Path, process: "subprocess.Popen[Any]") -> None:
    wait_until(lambda: path.exists() or process.poll() is not None)
    assert process.poll() is None


def replace_bundle(bundle: Path) -> None:
    manifest = bundle / "manifest.json"
    manifest.write_text(manifest.read_text() + "\n")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (replace_bundle, "no longer holds the model that this job started with"),
        (shutil.rmtree, "no bundle"),
    ],
)
def test_workers_with_changed_or_missing_bundle_raise_error(
    cluster: str, run: RunJob, bundle_copy: Path, damage: Callable[[Path], None], message: str
) -> None:
    def open_engine(model: Model, count: int | None) -> Engine:
        damage(model.path)
        options = replace(OPTIONS, threshold=0.25)  # no worker has a session with these options
        return engine_named(cluster)(replace(model, options=options), count)

    with pytest.raises((BundleIntegrityError, BundleNotFoundError)) as caught:
        run(bundle=bundle_copy, open_engine=open_engine)
    assert message in str(caught.value)
    assert "every machine needs the same bundle at the same path" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_package_on_workers_raises_worker_error(cluster: str, run: RunJob) -> None:
    with pytest.raises(WorkerError, match=r"No module named 'installed_nowhere'.*its workers need spam-edge") as caught:
        run(open_engine=engine_opener(cluster, workers.StrangeModel))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cluster_name", ["ray", "spark"])
def test_command_starts_own_cluster_and_writes_identical_output(
    cluster_name: str, command: list[str], tmp_path: Path, local: Any
) -> None:
    _needs(cluster_name)
    arguments = ["-o", str(tmp_path / "out"), "--engine", cluster_name, "--workers", "2", "--report", "-"]
    completed = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    report = json.loads(completed.stdout)  # the report is the only output
    assert (report["engine"], report["workers"], report["rows"]) == (cluster_name, 2, ROWS)
    assert "Traceback" not in completed.stderr
    assert contents(tmp_path / "out") == local[1]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.parametrize(("cluster_name", "signal_number"), [("ray", signal.SIGTERM), ("spark", signal.SIGINT)])
def test_signal_ends_command_and_all_cluster_processes(
    cluster_name: str, signal_number: int, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _needs(cluster_name)
    monkeypatch.setenv("SPAM_EDGE_TEST_RUN", mark := str(tmp_path))
    arguments = ["-o", str(tmp_path / "out"), "--engine", cluster_name, "--workers", "2"]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_for(tmp_path / "out" / ".spam-edge" / "part-00000.json", process)
        os.killpg(process.pid, signal_number)  # a terminal signals the whole group
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stdout) == (128 + signal_number, "")
    assert "--resume continues the job" in stderr
    assert "Traceback" not in stderr
    wait_until(lambda: not any(has_marker(path, mark) for path in Path("/proc").glob("[0-9]*/environ")))


def has_marker(environment: Path, mark: str) -> bool:
    try:
        return f"SPAM_EDGE_TEST_RUN={mark}".encode() in environment.read_bytes()
    except OSError:  # the process ended or belongs to another user
        return False


@pytest.mark.parametrize(("cluster_name", "module"), [("ray", "ray"), ("spark", "pyspark")])
def test_missing_cluster_package_prints_install_command(
    cluster_name: str, module: str, command: list[str], tmp_path: Path
) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from spam_edge.cli import main; main()"
    arguments = [*command[3:], "-o", str(tmp_path / "out"), "--engine", cluster_name]
    completed = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stdout) == (1, "")
    assert completed.stderr.startswith(f"Error: {module} cannot be imported (")
    assert completed.stderr.endswith(f"; pip install 'spam-edge[{cluster_name}]'\n")
    assert completed.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_unreachable_ray_address_raises_worker_error(monkeypatch: pytest.MonkeyPatch, run: RunJob) -> None:
    _needs("ray")
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # another test may have initialised Ray in this process
    with socket.socket() as closed:  # bound but not listening
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(WorkerError, match=rf"Ray at {address} \(RAY_ADDRESS\) cannot be reached .*refused"):
            run(open_engine=engine_named("ray"))


def test_command_engine_names_match_library() -> None:
    from spam_edge.cli.batch import ENGINES

    assert all(engine_named(name) for name in ENGINES)
    with pytest.raises(OptionError, match="engine must be one of local, ray, spark, not 'dask'"):
        engine_named("dask")
