"""Resource limits: full disks and refused threads give correct output or a one-line error, never a traceback."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import Result

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.batch.backends import local
from spam_edge.batch.backends.base import Model
from spam_edge.bundle.locate import Bundle
from spam_edge.errors import BundleIntegrityError, WorkerError
from spam_edge.resources import can_start_threads
from spam_edge.text import tokenization
from tests.support import parallel
from tests.support.hostile import put
from tests.support.timeouts import TIMEOUT

COMMAND = [sys.executable, "-m", "spam_edge"]
TEXTS = [f"see you at {number}, or txt WIN to 80086 " + "now " * (number % 40) for number in range(2000)]
_USER = str(64321 + parallel.NUMBER)
_LIMITED = ["setpriv", "--ruid", _USER, "--clear-groups", "--bounding-set", "-sys_resource,-sys_admin", "prlimit"]
"""Run as an unprivileged user: the process limit does not apply to root. Each test process has its own user."""


def limit_processes(threads: int, arguments: list[str]) -> list[str]:
    return [*_LIMITED, f"--nproc={threads}", *arguments]


def can_limit_processes() -> bool:
    if not (shutil.which("setpriv") and shutil.which("prlimit")) or os.name != "posix" or os.geteuid() != 0:
        return False
    code = (
        "import threading\ntry:\n    threading.Thread(target=print).start()\nexcept RuntimeError:\n    print('refused')"
    )
    completed = subprocess.run(
        limit_processes(1, [sys.executable, "-c", code]), capture_output=True, text=True, check=False
    )
    return completed.stdout == "refused\n"


@pytest.fixture(scope="module")
def _limits() -> None:
    if not can_limit_processes():
        pytest.skip("threads of another user cannot be limited here")


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a folder that other users can read, because the temporary folders of pytest are private."""
    with TemporaryDirectory(prefix="spam-edge-tests-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every start of a Python thread fail."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("_limits")
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("command", ["classify", "batch", "explain", "info"])
def test_command_output_is_unchanged_under_thread_limit(
    tiny_bundle: Path, shared: Path, command: str, threads: int
) -> None:
    (shared / "in.csv").write_text("text\n" + "".join(f'"{text}"\n' for text in TEXTS))
    options = {
        "classify": ["in.csv", "--output", "out.csv", "--format", "csv"],
        "batch": ["in.csv", "--output", "out.csv", "--workers", "1", "--quiet"],
        "explain": ["see you at 5"],
        "info": [],
    }[command]
    arguments = [*COMMAND, command, "--model", str(tiny_bundle), "--device", "cpu", "--threads", "4", *options]

    def run(arguments: list[str]) -> tuple[int, str, bytes]:
        (shared / "out.csv").unlink(missing_ok=True)
        shutil.rmtree(shared / ".out.csv.spam-edge", ignore_errors=True)
        completed = subprocess.run(arguments, cwd=shared, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        # pyarrow prints the lines of jemalloc.
        errors = [line for line in completed.stderr.splitlines() if not line.startswith("<jemalloc>")]
        assert errors == []
        out = shared / "out.csv"
        return completed.returncode, completed.stdout, out.read_bytes() if out.exists() else b""

    assert run(limit_processes(threads, arguments)) == run(arguments)


@pytest.mark.usefixtures("_limits")
def test_tokenizers_thread_pool_panic_becomes_package_error(tiny_bundle: Path) -> None:
    code = (
        "import sys; from spam_edge import *; from spam_edge.text import tokenization\n"
        "tokenization._require_threads = lambda: None\n"
        "classifier = SpamClassifier.load(sys.argv[1], RuntimeOptions(device='cpu', threads=1))\n"
        "try:\n    classifier.classify('see [you]')\nexcept SpamEdgeError as error:\n    print(error)"
    )
    environment = os.environ | {"RAYON_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "1"}
    completed = subprocess.run(
        limit_processes(2, [sys.executable, "-c", code, str(tiny_bundle)]),
        env=environment, capture_output=True, text=True, check=True, timeout=TIMEOUT,
    )  # fmt: skip
    assert "tokenizer.json fails on a message (The global thread pool has not been initialized" in completed.stdout


def test_tokenizer_exception_becomes_bundle_integrity_error(bundle_copy: Path) -> None:
    tokenizer = json.loads((bundle_copy / "tokenizer.json").read_bytes())
    del tokenizer["model"]["vocab"]["[UNK]"]
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["content"] != "[UNK]"]
    put(bundle_copy, "tokenizer.json", json.dumps(tokenizer).encode())
    with pytest.raises(BundleIntegrityError, match=r"tokenizer.json .*; export the bundle again"):
        SpamClassifier.load(bundle_copy, RuntimeOptions(device="cpu")).classify("\u4e2d\u6587")


@pytest.mark.usefixtures("refused")
def test_scores_are_unchanged_without_python_threads(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    options = RuntimeOptions(device="cpu", threads=4, token_budget=256)
    without = SpamClassifier.load(tiny_bundle, options)
    scores = [without.score(TEXTS[:200]).tolist() for _ in range(2)]
    monkeypatch.undo()
    assert scores == [SpamClassifier.load(tiny_bundle, options).score(TEXTS[:200]).tolist()] * 2


def test_tokenizer_stays_parallel_when_threads_are_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    tokenization._require_threads.cache_clear()
    tokenization._require_threads()
    assert "TOKENIZERS_PARALLELISM" not in os.environ
    assert can_start_threads(3)
    before = threading.active_count()
    can_start_threads(3)
    assert threading.active_count() == before


def test_tokenizer_becomes_serial_when_threads_are_refused(refused: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "")
    monkeypatch.delenv("TOKENIZERS_PARALLELISM")
    tokenization._require_threads.cache_clear()
    try:
        tokenization._require_threads()
        assert os.environ["TOKENIZERS_PARALLELISM"] == "false"
    finally:
        tokenization._require_threads.cache_clear()


def test_refused_worker_start_raises_worker_error(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(local, "ProcessPoolExecutor", refuse)
        with pytest.raises(WorkerError, match=r"no worker can be started .*; reduce --workers"):
            local.ProcessEngine(_model(tiny_bundle), 2)
    engine = local.ProcessEngine(_model(tiny_bundle), 2)
    with engine, monkeypatch.context() as patch:
        patch.setattr(engine._pool, "submit", refuse)
        with pytest.raises(WorkerError, match=r"no worker can be started .*; reduce --workers"):
            engine.submit(["see you"]).result(TIMEOUT)


@pytest.mark.usefixtures("_limits")
@pytest.mark.parametrize("processes", [3, 5, 6, 8, 10, 12])
def test_process_limit_ends_batch_job_with_one_line_error(tiny_bundle: Path, shared: Path, processes: int) -> None:
    """The job succeeds or stops with a one-line error; it neither hangs nor prints a traceback."""
    (shared / "in.csv").write_text("text\n" + "see you at 5\n" * 3_000)
    arguments = ["batch", "in.csv", "--output", "out.csv", "--workers", "2", "--quiet", "--device", "cpu"]
    completed = subprocess.run(
        limit_processes(processes, [*COMMAND, *arguments, "--model", str(tiny_bundle)]),
        cwd=shared, capture_output=True, text=True, check=False, timeout=TIMEOUT,
    )  # fmt: skip
    errors = [line for line in completed.stderr.splitlines() if not line.startswith("<jemalloc>")]
    assert (completed.returncode, len(errors)) in [(0, 0), (1, 1)], completed.stderr
    assert completed.returncode == 0 or "reduce --workers and continue with --resume" in errors[0]


def test_dead_pool_manager_thread_fails_pending_chunks(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manager thread dies because its feeder thread cannot start; without a check no future would complete."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "QueueFeederThread":
            raise RuntimeError("can't start new thread")
        start(thread)

    hook = threading.excepthook
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with local.ProcessEngine(_model(tiny_bundle), 2) as engine:
        for pending in [engine.submit(["see you"]) for _ in range(3)]:
            with pytest.raises(WorkerError, match=r"no worker can be started \(can't start new thread\); reduce"):
                pending.result(TIMEOUT)
    assert threading.excepthook == hook


def test_pool_failure_during_shutdown_prints_nothing(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    closing, start = threading.Event(), threading.Thread.start

    def refuse_late(thread: threading.Thread) -> None:
        if thread.name == "QueueFeederThread":
            closing.wait(TIMEOUT)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_late)
    engine = local.ProcessEngine(_model(tiny_bundle), 2)
    shutdown = engine._pool.shutdown

    def close(**options: bool) -> None:
        closing.set()
        shutdown(**options)

    monkeypatch.setattr(engine._pool, "shutdown", close)
    with engine:
        engine.submit(["see you"])
    assert capfd.readouterr().err == ""


def test_failed_worker_replacement_fails_pending_chunk(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the job would wait forever for a chunk that no worker has."""
    engine = local.ProcessEngine(_model(tiny_bundle), 1)
    with engine:
        monkeypatch.setattr(engine, "_open_pool", lambda: (_ for _ in ()).throw(local._refused(OSError("none"))))
        broken = local.BrokenProcessPool("died")
        pending: local.Future[object] = local.Future()
        failed: local.Future[object] = local.Future()
        failed.set_exception(broken)
        engine._finish(failed, ["see you"], pending, 0)  # type: ignore[arg-type]
        with pytest.raises(WorkerError, match=r"no worker can be started"):
            pending.result(TIMEOUT)


def _model(bundle: Path) -> Model:
    return Model.of(Bundle.find(bundle), RuntimeOptions(device="cpu"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="requires /dev/full")
@pytest.mark.parametrize(
    "arguments", [["classify", "in.txt"], ["info"], ["info", "--json"], ["--help"], ["info", "-h"]]
)
def test_full_disk_on_stdout_prints_one_line_error(tiny_bundle: Path, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "in.txt").write_text("see you at 5\n")
    environment = os.environ | {"SPAM_EDGE_MODEL": str(tiny_bundle)}
    with Path("/dev/full").open("w") as full:
        completed = subprocess.run(
            [*COMMAND, *arguments], cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert completed.returncode == 1
    assert completed.stderr == "Error: standard output cannot be written (No space left on device)\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="requires /dev/full")
def test_full_disk_on_output_file_prints_one_line_error(run: Callable[..., Result], folder: Path) -> None:
    (folder / "in.txt").write_text("see you at 5\n")
    result = run("classify", "--device", "cpu", "in.txt", "--output", "/dev/full")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "No space left on device: '/dev/full'" in result.stderr
