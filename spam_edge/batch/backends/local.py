"""Local engines: one thread of this process, or a pool of worker processes."""

import multiprocessing
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, InvalidStateError, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from spam_edge.batch.backends.base import Engine, Model, Verdicts, classify_texts
from spam_edge.batch.backends.worker import begin, work
from spam_edge.batch.backends.worker_count import default_workers
from spam_edge.errors import WorkerError
from spam_edge.runtime.providers import CUDA

ATTEMPTS = 3
"""Crashes in a row, with no list finished between them, after which the job fails."""


def open_local_engine(model: Model, workers: int | None = None) -> Engine:
    """Open an engine with this many workers; the default depends on cores and memory."""
    count = default_workers(model.options) if workers is None else workers
    return ThreadEngine(model) if count == 1 else ProcessEngine(model, count)


class ThreadEngine:
    """One worker in this process. It starts fast and may use all threads of the options.

    On a GPU it has two threads: while the model runs for one of them, the other one tokenises the next texts.
    """

    name = "thread"
    workers = 1

    def __init__(self, model: Model) -> None:
        """Open the model."""
        self._classifier = model.open()
        threads = 2 if self._classifier.provider == CUDA else 1
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="spam-edge-batch")

    def submit(self, texts: Sequence[str]) -> Future[Verdicts]:
        """Submit texts."""
        try:
            return self._pool.submit(classify_texts, self._classifier, texts)
        except RuntimeError:  # the system refuses a thread
            return self._done(texts)

    def _done(self, texts: Sequence[str]) -> Future[Verdicts]:
        """Classify in the calling thread."""
        future: Future[Verdicts] = Future()
        try:
            future.set_result(classify_texts(self._classifier, texts))
        except Exception as error:  # raised by the future
            future.set_exception(error)
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


class ProcessEngine:
    """A pool of worker processes. If one dies, the pool is restarted and unfinished lists are resubmitted.

    The thread that manages the pool dies if the system refuses it another thread. The pool does not notice, and its
    futures would never end.
    """

    name = "processes"

    def __init__(self, model: Model, workers: int) -> None:
        """Create the pool; processes start on demand."""
        threads = model.options.threads or 1
        self.workers = workers
        self._model = replace(model, options=replace(model.options, threads=threads))
        self._context = multiprocessing.get_context("spawn")
        self._lock = threading.RLock()
        self._generation = 0
        self._failures = 0
        self._closed = False
        self._refusal: WorkerError | None = None
        self._promises: set[Future[Verdicts]] = set()
        self._open_pool()

    def submit(self, texts: Sequence[str]) -> Future[Verdicts]:
        """Submit texts; the future raises ``WorkerError`` if the processes keep dying or cannot be started."""
        promise: Future[Verdicts] = Future()
        self._promises.add(promise)
        promise.add_done_callback(self._promises.discard)
        self._start(texts, promise)
        return promise

    def __enter__(self) -> Self:
        self._hook, threading.excepthook = threading.excepthook, self._note_death
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
        if kind or self._refusal:  # no results are needed, and a worker that is still starting has no lifeline yet
            for process in [*(getattr(self._pool, "_processes", None) or {}).values()]:
                process.terminate()
        with suppress(RuntimeError):  # its thread could not be started
            self._pool.shutdown(cancel_futures=True)
        threading.excepthook = self._hook  # after the thread that manages the pool has ended
        self._close_lifeline()

    def _open_pool(self) -> None:
        self._workers_end, self._lifeline = self._context.Pipe(duplex=False)
        try:
            with _signals_blocked():  # the pool starts the tracker of its semaphores
                self._pool = ProcessPoolExecutor(
                    self.workers, self._context, initializer=begin, initargs=(self._model, self._workers_end)
                )
        except (OSError, RuntimeError) as error:
            self._close_lifeline()
            raise _refused(error) from error

    def _note_death(self, died: threading.ExceptHookArgs) -> None:
        """Give up if the thread was the one that manages the pool; each thread that an exception ends comes here."""
        if type(died.thread).__module__ != ProcessPoolExecutor.__module__:
            self._hook(died)
            return
        with self._lock:
            self._refusal = _refused(died.exc_value)
            for promise in [*self._promises]:
                _fail(promise, self._refusal)

    def _close_lifeline(self) -> None:
        self._lifeline.close()
        self._workers_end.close()

    def _start(self, texts: Sequence[str], promise: "Future[Verdicts]") -> None:
        with self._lock:
            generation = self._generation
            if self._refusal:
                _fail(promise, self._refusal)
                return
            try:
                with _signals_blocked():
                    inner = self._pool.submit(work, texts)
            except BrokenProcessPool as error:
                inner = Future()
                inner.set_exception(error)
            except (OSError, RuntimeError) as error:
                _fail(promise, _refused(error))
                return
        inner.add_done_callback(lambda done: self._finish(done, texts, promise, generation))

    def _finish(
        self, done: "Future[Verdicts]", texts: Sequence[str], promise: "Future[Verdicts]", generation: int
    ) -> None:
        if done.cancelled():
            promise.cancel()
        elif (error := done.exception()) is None:
            self._failures = 0
            with suppress(InvalidStateError):  # given up meanwhile
                promise.set_result(done.result())
        elif not isinstance(error, BrokenProcessPool):
            _fail(promise, error)
        else:
            self._start_again(texts, promise, generation)

    def _start_again(self, texts: Sequence[str], promise: "Future[Verdicts]", generation: int) -> None:
        try:
            renewed = self._renew(generation)
        except WorkerError as error:
            _fail(promise, error)
            return
        if renewed:
            self._start(texts, promise)
        else:
            reason = (
                f"worker processes died {ATTEMPTS} times in a row, possibly out of memory, processes or threads; "
                "reduce --workers and continue with --resume"
            )
            _fail(promise, WorkerError(reason))

    def _renew(self, generation: int) -> bool:
        """Replace the broken pool unless another thread did; return False after too many failures or on close."""
        with self._lock:
            if generation == self._generation and not self._closed:
                self._generation += 1
                self._failures += 1
                self._close_lifeline()
                self._pool.shutdown(wait=False)
                self._open_pool()
            return self._failures < ATTEMPTS and not self._closed


def _fail(promise: "Future[Verdicts]", error: BaseException) -> None:
    with suppress(InvalidStateError):  # given up meanwhile
        promise.set_exception(error)


def _refused(error: BaseException | None) -> WorkerError:
    return WorkerError(f"no worker can be started ({error}); reduce --workers and continue with --resume")


@contextmanager
def _signals_blocked() -> Iterator[None]:
    # Processes started meanwhile inherit the mask. Ctrl-C and the end of a terminal reach the whole group; only the
    # parent handles them.
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
