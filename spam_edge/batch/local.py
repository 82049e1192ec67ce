"""Engines on this machine: a thread of this process, or one process per worker."""

import multiprocessing
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Self

from spam_edge.batch.engine import Engine, Model, Verdicts, judge
from spam_edge.batch.resources import default_workers
from spam_edge.batch.worker import begin, work
from spam_edge.errors import WorkerError

ATTEMPTS = 3
"""How often in a row workers may die before any of them has finished something."""


def open_local_engine(model: Model, workers: int | None = None) -> Engine:
    """Return an engine with so many workers, by default as many as processor and memory allow."""
    count = default_workers(model.options) if workers is None else workers
    return ThreadEngine(model) if count == 1 else ProcessEngine(model, count)


class ThreadEngine:
    """One worker in a thread of this process, which may use all threads of the options. It starts fast."""

    name = "thread"
    workers = 1

    def __init__(self, model: Model) -> None:
        """Open the model, here and now."""
        self._classifier = model.open()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="spam-edge-batch")

    def submit(self, texts: Sequence[str]) -> Future[Verdicts]:
        """Begin to classify texts."""
        return self._pool.submit(judge, self._classifier, texts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


class ProcessEngine:
    """Worker processes. When one is killed, all are started anew and what was not finished is submitted again."""

    name = "processes"

    def __init__(self, model: Model, workers: int) -> None:
        """Prepare the processes; each starts when there is work for it."""
        threads = model.options.threads or 1
        self.workers = workers
        self._model = replace(model, options=replace(model.options, threads=threads))
        self._context = multiprocessing.get_context("spawn")
        self._lock = threading.RLock()
        self._generation = 0
        self._failures = 0
        self._closed = False
        self._open_pool()

    def submit(self, texts: Sequence[str]) -> Future[Verdicts]:
        """Begin to classify texts; the future raises a ``WorkerError`` when the processes keep dying."""
        promise: Future[Verdicts] = Future()
        self._start(texts, promise)
        return promise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
        if kind is not None:
            self._lifeline.close()  # nobody waits for what the workers are busy with
        self._pool.shutdown(cancel_futures=True)
        self._close_lifeline()

    def _open_pool(self) -> None:
        self._workers_end, self._lifeline = self._context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            self.workers, self._context, initializer=begin, initargs=(self._model, self._workers_end)
        )

    def _close_lifeline(self) -> None:
        self._lifeline.close()
        self._workers_end.close()

    def _start(self, texts: Sequence[str], promise: "Future[Verdicts]") -> None:
        with self._lock:
            generation = self._generation
            try:
                with _sigint_blocked():
                    inner = self._pool.submit(work, texts)
            except BrokenProcessPool as error:
                inner = Future()
                inner.set_exception(error)
        inner.add_done_callback(lambda done: self._finish(done, texts, promise, generation))

    def _finish(
        self, done: "Future[Verdicts]", texts: Sequence[str], promise: "Future[Verdicts]", generation: int
    ) -> None:
        if done.cancelled():
            promise.cancel()
        elif (error := done.exception()) is None:
            self._failures = 0
            promise.set_result(done.result())
        elif not isinstance(error, BrokenProcessPool):
            promise.set_exception(error)
        elif self._renew(generation):
            self._start(texts, promise)
        else:
            promise.set_exception(
                WorkerError(
                    f"worker processes died {ATTEMPTS} times in a row, as when memory runs out; "
                    "take fewer with --workers and go on with --resume"
                )
            )

    def _renew(self, generation: int) -> bool:
        """Replace the pool that broke, unless that was done already; False when there is no sense in it any more."""
        with self._lock:
            if generation == self._generation and not self._closed:
                self._generation += 1
                self._failures += 1
                self._close_lifeline()
                self._pool.shutdown(wait=False)
                self._open_pool()
            return self._failures < ATTEMPTS and not self._closed


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    # A process that is started meanwhile inherits the mask: Ctrl-C on a terminal reaches all, but is for the parent.
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
