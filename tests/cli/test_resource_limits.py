"""A full disk is named, and threads that the system refuses make a run slower or an error, without a traceback."""

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
"""A user without processes, whom the limit binds as it does not bind root; each process of the tests has its own."""


def limited(threads: int, arguments: list[str]) -> list[str]:
    return [*_LIMITED, f"--nproc={threads}", *arguments]


def can_limit() -> bool:
    if not (shutil.which("setpriv") and shutil.which("prlimit")) or os.name != "posix" or os.geteuid() != 0:
        return False
    code = (
        "import threading\ntry:\n    threading.Thread(target=print).start()\nexcept RuntimeError:\n    print('refused')"
    )
    done = subprocess.run(limited(1, [sys.executable, "-c", code]), capture_output=True, text=True, check=False)
    return done.stdout == "refused\n"


@pytest.fixture(scope="module")
def _limits() -> None:
    if not can_limit():
        pytest.skip("threads of another user cannot be limited here")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other users can read; those of pytest are private."""
    with TemporaryDirectory(prefix="spam-edge-tests-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse threads of Python."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("_limits")
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("command", ["classify", "batch", "explain", "info"])
def test_a_command_without_threads_gives_the_same(tiny_bundle: Path, shared: Path, command: str, threads: int) -> None:
    (shared / "in.csv").write_text("text\n" + "".join(f'"{text}"\n' for text in TEXTS))
    rest = {
        "classify": ["in.csv", "--output", "out.csv", "--format", "csv"],
        "batch": ["in.csv", "--output", "out.csv", "--workers", "1", "--quiet"],
        "explain": ["see you at 5"],
        "info": [],
    }[command]
    arguments = [*COMMAND, command, "--model", str(tiny_bundle), "--device", "cpu", "--threads", "4", *rest]

    def run(arguments: list[str]) -> tuple[int, str, bytes]:
        (shared / "out.csv").unlink(missing_ok=True)
        shutil.rmtree(shared / ".out.csv.spam-edge", ignore_errors=True)
        done = subprocess.run(arguments, cwd=shared, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        errors = [line for line in done.stderr.splitlines() if not line.startswith("<jemalloc>")]  # of pyarrow
        assert errors == []
        out = shared / "out.csv"
        return done.returncode, done.stdout, out.read_bytes() if out.exists() else b""

    assert run(limited(threads, arguments)) == run(arguments)


@pytest.mark.usefixtures("_limits")
def test_a_panic_of_the_tokenizers_library_is_an_error(tiny_bundle: Path) -> None:
    code = (
        "import sys; from spam_edge import *; from spam_edge.text import tokenization\n"
        "tokenization._require_threads = lambda: None\n"
        "classifier = SpamClassifier.load(sys.argv[1], RuntimeOptions(device='cpu', threads=1))\n"
        "try:\n    classifier.classify('see you')\nexcept SpamEdgeError as error:\n    print(error)"
    )
    environment = os.environ | {"RAYON_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        limited(2, [sys.executable, "-c", code, str(tiny_bundle)]),
        env=environment, capture_output=True, text=True, check=True, timeout=TIMEOUT,
    )  # fmt: skip
    assert "tokenizer.json fails on a message (The global thread pool has not been initialized" in done.stdout


def test_an_error_of_the_tokenizer_is_ours(bundle_copy: Path) -> None:
    tokenizer = json.loads((bundle_copy / "tokenizer.json").read_bytes())
    del tokenizer["model"]["vocab"]["[UNK]"]
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["content"] != "[UNK]"]
    put(bundle_copy, "tokenizer.json", json.dumps(tokenizer).encode())
    with pytest.raises(BundleIntegrityError, match=r"tokenizer.json .*; export the bundle again"):
        SpamClassifier.load(bundle_copy, RuntimeOptions(device="cpu")).classify("\u4e2d\u6587")


@pytest.mark.usefixtures("refused")
def test_the_function_without_threads_gives_the_same(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    options = RuntimeOptions(device="cpu", threads=4, token_budget=256)
    without = SpamClassifier.load(tiny_bundle, options)
    scores = [without.score(TEXTS[:200]).tolist() for _ in range(2)]
    monkeypatch.undo()
    assert scores == [SpamClassifier.load(tiny_bundle, options).score(TEXTS[:200]).tolist()] * 2


def test_the_tokenizer_keeps_its_threads_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    tokenization._require_threads.cache_clear()
    tokenization._require_threads()
    assert "TOKENIZERS_PARALLELISM" not in os.environ
    assert can_start_threads(3)
    before = threading.active_count()
    can_start_threads(3)
    assert threading.active_count() == before


def test_the_tokenizer_takes_one_thread_where_there_are_none(refused: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "")
    monkeypatch.delenv("TOKENIZERS_PARALLELISM")
    tokenization._require_threads.cache_clear()
    try:
        tokenization._require_threads()
        assert os.environ["TOKENIZERS_PARALLELISM"] == "false"
    finally:
        tokenization._require_threads.cache_clear()


def test_workers_that_cannot_be_started(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_few_processes_end_a_job_in_one_line(tiny_bundle: Path, shared: Path, processes: int) -> None:
    """Whatever is refused, to the command or to a worker, nothing hangs and no traceback is printed."""
    (shared / "in.csv").write_text("text\n" + "see you at 5\n" * 3_000)
    arguments = ["batch", "in.csv", "--output", "out.csv", "--workers", "2", "--quiet", "--device", "cpu"]
    done = subprocess.run(
        limited(processes, [*COMMAND, *arguments, "--model", str(tiny_bundle)]),
        cwd=shared, capture_output=True, text=True, check=False, timeout=TIMEOUT,
    )  # fmt: skip
    errors = [line for line in done.stderr.splitlines() if not line.startswith("<jemalloc>")]
    assert (done.returncode, len(errors)) in [(0, 0), (1, 1)], done.stderr
    assert done.returncode == 0 or "reduce --workers and continue with --resume" in errors[0]


def test_a_pool_that_dies_unseen(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that manages the pool is refused the one that feeds it, and dies; nothing would answer."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "QueueFeederThread":
            raise RuntimeError("can't start new thread")
        start(thread)

    hook = threading.excepthook
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with local.ProcessEngine(_model(tiny_bundle), 2) as engine:
        for promise in [engine.submit(["see you"]) for _ in range(3)]:
            with pytest.raises(WorkerError, match=r"no worker can be started \(can't start new thread\); reduce"):
                promise.result(TIMEOUT)
    assert threading.excepthook == hook


def test_a_pool_that_dies_while_it_is_closed(
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


def test_workers_that_cannot_be_replaced(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the job would wait for ever for a list that nobody has."""
    engine = local.ProcessEngine(_model(tiny_bundle), 1)
    with engine:
        monkeypatch.setattr(engine, "_open_pool", lambda: (_ for _ in ()).throw(local._refused(OSError("none"))))
        broken = local.BrokenProcessPool("died")
        promise: local.Future[object] = local.Future()
        done: local.Future[object] = local.Future()
        done.set_exception(broken)
        engine._finish(done, ["see you"], promise, 0)  # type: ignore[arg-type]
        with pytest.raises(WorkerError, match=r"no worker can be started"):
            promise.result(TIMEOUT)


def _model(bundle: Path) -> Model:
    return Model.of(Bundle.find(bundle), RuntimeOptions(device="cpu"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="requires /dev/full")
@pytest.mark.parametrize(
    "arguments", [["classify", "in.txt"], ["info"], ["info", "--json"], ["--help"], ["info", "-h"]]
)
def test_a_full_disk_below_standard_output(tiny_bundle: Path, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "in.txt").write_text("see you at 5\n")
    environment = os.environ | {"SPAM_EDGE_MODEL": str(tiny_bundle)}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "Error: standard output cannot be written (No space left on device)\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="requires /dev/full")
def test_a_full_disk_below_the_output(run: Callable[..., Result], folder: Path) -> None:
    (folder / "in.txt").write_text("see you at 5\n")
    result = run("classify", "--device", "cpu", "in.txt", "--output", "/dev/full")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "No space left on device: '/dev/full'" in result.stderr
