"""What engines on a cluster have in common: a thread here for each worker there, which waits for its verdicts."""

import os
import re
import signal
import socket
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType, TracebackType
from typing import Self

from spam_edge.batch.engine import Model, Verdicts, judge
from spam_edge.errors import JobError, SpamEdgeError, WorkerError
from spam_edge.integrations import engine

ATTEMPTS = 4
"""How often the same texts are given to workers that die."""
PATIENCE = 50
"""Tenths of a second that work which was cancelled has to end."""
_EXCEPTION = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception): .*\S", re.MULTILINE)


def judge_there(model: Model, texts: Sequence[str]) -> Verdicts | SpamEdgeError:
    """Classify texts in a worker. What is wrong with its bundle is returned: what is raised would come back wrapped."""
    try:
        return judge(model.open(), texts)
    except SpamEdgeError as error:
        place = f"the worker on {socket.gethostname()}"
        return type(error)(f"{error} (said {place}; every machine needs the same bundle at the same path)")


class ClusterEngine(ABC):
    """Lists of texts to a cluster, as many at a time as there are workers.

    Attributes:
        workers: lists of texts that are classified at the same time.
    """

    name: str

    def __init__(self, workers: int) -> None:
        """Prepare the threads; each starts when there is work for it."""
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers, f"spam-edge-{self.name}")
        self._running: set[Future[Verdicts]] = set()

    def submit(self, texts: Sequence[str]) -> Future[Verdicts]:
        """Begin to classify texts; the future raises a ``WorkerError`` when the cluster does not do it."""
        future = self._pool.submit(self._judge, texts)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=True)
        for _ in range(PATIENCE):
            if not (running := set(self._running)):
                break
            self._cancel()
            wait(running, timeout=0.1)
        self._close()

    def _judge(self, texts: Sequence[str]) -> Verdicts:
        try:
            answer = self._ask(texts)
        except Exception as error:
            raise WorkerError(
                f"{_reason(error)} (said {self.name}; its workers need spam-edge and enough memory; "
                "go on with --resume)"
            ) from error
        if isinstance(answer, SpamEdgeError):
            raise answer
        return answer

    @abstractmethod
    def _ask(self, texts: Sequence[str]) -> Verdicts | SpamEdgeError:
        """Have ``judge_there`` run by the cluster, and wait for it."""

    @abstractmethod
    def _cancel(self) -> None:
        """Give up what the cluster is at."""

    @abstractmethod
    def _close(self) -> None:
        """End what this engine started."""


def library(module: str, *, extra: str) -> ModuleType:
    """Import the library of a cluster.

    Raises:
        JobError: it is not installed.
    """
    try:
        return engine(module, extra=extra)
    except ImportError as error:
        raise JobError(str(error)) from error


def for_workers(model: Model) -> Model:
    """Return a model as workers open it, wherever they run: on one thread, unless its options say otherwise."""
    options = replace(model.options, threads=model.options.threads or 1)
    return replace(model, path=model.path.absolute(), options=options)


@contextmanager
def starting(cluster: str, **environment: str) -> Iterator[None]:
    """Start or join a cluster: with variables for what nobody set, and without what it does to this process.

    Raises:
        WorkerError: that failed.
    """
    missing = {name: value for name, value in environment.items() if name not in os.environ}
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    os.environ.update(missing)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about itself and its dependencies
            yield
    except Exception as error:
        raise WorkerError(f"{cluster} cannot be reached or started: {_reason(error)}") from error
    finally:
        for name in missing:
            del os.environ[name]
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _reason(error: Exception) -> str:
    """Return the one line that says why, out of tracebacks of several processes."""
    said = _EXCEPTION.findall(str(error))
    lines = str(error).splitlines()
    return said[-1] if said else (lines[0] if lines else type(error).__name__)
