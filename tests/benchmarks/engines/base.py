"""The interface of all engines, and batching for those without their own."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spam_edge.decision.calibration import Calibration
from spam_edge.runtime.batching import plan_batches
from tests.benchmarks.model import Model

ONE_CALL = "one call"
CORPUS_ORDER = "corpus order"
SORTED = "sorted"
SIDE_BY_SIDE = "side by side"
BATCH = 32
TOKENS = 512  # per batch in side-by-side mode; a common value, not the optimum of our own files
MODES = {
    ONE_CALL: "all messages in one call, batched by the engine",
    CORPUS_ORDER: f"batches of {BATCH} in corpus order, all threads per batch",
    SORTED: f"batches of {BATCH} sorted by length, all threads per batch",
    SIDE_BY_SIDE: f"batches of at most {TOKENS} tokens sorted by length, one thread each, in parallel",
}

Scores = NDArray[np.float32]


class Engine(ABC):
    """One way to run the model. Its methods import the library, so the class itself loads without it.

    Attributes:
        title: name in the report.
        precision: ``int8``, ``bf16`` or ``fp32``.
        settings: how the engine is used, for the report.
        modules: modules that must be installed.
        modes: ways to classify many messages. Single messages always use the first.
        slowness: stride of the sample; a slow engine gets every n-th message.
        detail: the engine's description of itself after loading.
    """

    title: ClassVar[str]
    precision: ClassVar[str]
    settings: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]
    modes: ClassVar[tuple[str, ...]] = (CORPUS_ORDER, SORTED, SIDE_BY_SIDE)
    slowness: ClassVar[int] = 1
    detail: str = ""

    def __init__(self, model: Model, threads: int) -> None:
        self.model = model
        self.threads = threads
        self.mode = self.modes[0]

    @abstractmethod
    def build(self) -> None:
        """Build the engine's files from the checkpoint unless they exist."""

    def unavailable_reason(self) -> str:
        """Return why the engine cannot be timed on this machine; empty if it can."""
        return ""

    @abstractmethod
    def files(self) -> Iterable[Path]:
        """Return the model files that a user would ship, without the tokenizer."""

    @abstractmethod
    def load(self) -> None:
        """Load the model, ready for the first message."""

    def enter(self, mode: str) -> None:
        """Switch to a mode."""
        self.mode = mode

    @abstractmethod
    def classify(self, texts: Sequence[str]) -> Scores:
        """Return the score of each message, in order. This call is timed."""

    def comparable(self, scores: Scores) -> Scores:
        """Convert scores to those of PyTorch's softmax; not timed."""
        return scores


class BatchedEngine(Engine):
    """An engine that runs one batch of token ids and leaves batching to the caller."""

    def enter(self, mode: str) -> None:
        """Switch to a mode; side-by-side mode runs batches in a thread pool."""
        super().enter(mode)
        self._pool = ThreadPoolExecutor(self.threads) if mode == SIDE_BY_SIDE else None

    def classify(self, texts: Sequence[str]) -> Scores:
        """Tokenise, batch as the mode requires, run, and apply the softmax."""
        rows = self.encode(texts)
        plan = plan_for(self.mode, [len(row) for row in rows])
        batches = [[rows[index] for index in batch] for batch in plan]
        pool: ThreadPoolExecutor | None = getattr(self, "_pool", None)
        results = map(self.run, batches) if pool is None else pool.map(self.run, batches)
        logits = np.empty((len(rows), 2), dtype=np.float32)
        for batch, result in zip(plan, results, strict=True):
            logits[batch] = result
        return Calibration().scores(logits)

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each message, without padding."""

    @abstractmethod
    def run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return the logits of one batch, shape (messages, 2)."""


def plan_for(mode: str, lengths: Sequence[int]) -> list[NDArray[np.intp]]:
    """Return the message indices of each batch."""
    if mode == SIDE_BY_SIDE:
        # longest first: a long batch at the end would leave the other threads idle
        return list(plan_batches(lengths, token_budget=TOKENS))[::-1]
    sizes = np.asarray(lengths)
    order = np.argsort(sizes, kind="stable") if mode == SORTED else np.arange(len(sizes))
    return [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
