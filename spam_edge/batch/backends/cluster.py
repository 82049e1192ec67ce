"""Base of the cluster engines: one local thread per remote worker waits for its verdicts."""

import os
import re
import signal
import socket
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType, TracebackType
from typing import Self

from spam_edge.batch.backends.base import Model, Verdicts, classify_texts
from spam_edge.errors import JobError, SpamEdgeError, WorkerError
from spam_edge.extras import import_extra

ATTEMPTS = 4
"""Attempts per list of texts when workers die."""
MAX_PROBES = 50
"""Tenths of a second to wait for cancelled work."""
_EXCEPTION = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception): .*\S", re.MULTILINE)


def classify_in_worker(model: Model, texts: Sequence[str]) -> Verdicts | SpamEdgeError:
    """Classify texts in a worker. Bundle errors are returned, because the cluster would wrap raised ones."""
    try:
        return classify_texts(model.open(), texts)
    except SpamEdgeError as error:
        worker = f"the worker on {socket.gethostname()}"
        return type(error)(f"{error} (reported by {worker}; every machine needs the same bundle at the same path)")


class ClusterEngine(ABC):
    """Sends lists of texts to a cluster, one per worker at a time.

    Attributes:
        workers: number of lists classified concurrently.
    """

    name: str

    def __init__(self, workers: int) -> None:
        """Create the thread pool; threads start on demand."""
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers, f"spam-edge-{self.name}")
        self._running: set[Future[Verdicts]] = set()

    def submit(self, texts: Sequence[str]) -> Future[Verdicts]:
        """Submit texts; the future raises ``WorkerError`` if the cluster fails."""
        future = self._pool.submit(self._classify, texts)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=True)
        for _ in range(MAX_PROBES):
            if not (running := set(self._running)):
                break
            self._cancel()
            wait(running, timeout=0.1)
        self._close()

    def _classify(self, texts: Sequence[str]) -> Verdicts:
        try:
            answer = self._ask(texts)
        except Exception as error:
            raise WorkerError(
                f"{_reason(error)} (reported by {self.name}; its workers need spam-edge and enough memory; "
                "continue with --resume)"
            ) from error
        if isinstance(answer, SpamEdgeError):
            raise answer
        return answer

    @abstractmethod
    def _ask(self, texts: Sequence[str]) -> Verdicts | SpamEdgeError:
        """Run ``classify_in_worker`` on the cluster and wait for its result."""

    @abstractmethod
    def _cancel(self) -> None:
        """Cancel the running work."""

    @abstractmethod
    def _close(self) -> None:
        """Stop what this engine started."""


def library(module: str, *, extra: str) -> ModuleType:
    """Import the client library of a cluster.

    Raises:
        JobError: the library is not installed.
    """
    try:
        return import_extra(module, extra=extra)
    except ImportError as error:
        raise JobError(str(error)) from error


def for_workers(model: Model) -> Model:
    """Return the model with an absolute path and one thread, unless its options set the threads."""
    options = replace(model.options, threads=model.options.threads or 1)
    return replace(model, path=model.path.absolute(), options=options)


@contextmanager
def starting(
    cluster: str, *, defaults: Mapping[str, str] | None = None, forced: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Start or join a cluster with defaults for unset environment variables, and with others forced.

    Signal handlers and the environment are restored afterwards; warnings are silenced.

    Raises:
        WorkerError: the cluster cannot be reached or started.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    missing = {name: value for name, value in (defaults or {}).items() if name not in os.environ}
    try:
        with warnings.catch_warnings(), _environment(missing | dict(forced or {})):
            warnings.simplefilter("ignore")  # the clusters warn about their own dependencies
            yield
    except Exception as error:
        raise WorkerError(f"{cluster} cannot be reached or started: {_reason(error)}") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _reason(error: Exception) -> str:
    """Extract the cause from the nested tracebacks of several processes, as one line."""
    said = _EXCEPTION.findall(str(error))
    lines = str(error).splitlines()
    return said[-1] if said else (lines[0] if lines else type(error).__name__)
