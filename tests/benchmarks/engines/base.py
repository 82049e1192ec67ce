"""What every engine offers, and the batching that those without their own have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spam_edge.batching import plan_batches
from spam_edge.scores import probabilities
from tests.benchmarks.model import Model

ONE_CALL = "one call"
CORPUS_ORDER = "corpus order"
SORTED = "sorted"
SIDE_BY_SIDE = "side by side"
BATCH = 32
TOKENS = 512  # of a batch that runs beside others; what suits our own files is no measure for the others
MODES = {
    ONE_CALL: "all messages in one call, the engine does the rest",
    CORPUS_ORDER: f"batches of {BATCH} as the messages come, all threads on each batch",
    SORTED: f"batches of {BATCH}, all messages sorted by length first, all threads on each batch",
    SIDE_BY_SIDE: f"sorted, batches of at most {TOKENS} tokens, one thread each, as many at once as threads",
}

Scores = NDArray[np.float32]


class Engine(ABC):
    """One way to run the model. Libraries are imported by its methods, so that the class itself can be looked at.

    Attributes:
        title: name in the report.
        precision: ``int8``, ``bf16`` or ``fp32``.
        settings: how it is used, for the report.
        modules: what must be installed.
        modes: ways to classify many messages; one message is always classified in the first.
        slowness: it gets only every so manieth message.
        detail: what it says of itself once it is loaded.
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
        """Make the engine's own form of the checkpoint, unless it is there."""

    def obstacle(self) -> str:
        """Return why it should not be timed on this machine; empty if it can."""
        return ""

    @abstractmethod
    def files(self) -> Iterable[Path]:
        """Return the files of the model that a user would have to ship, without the tokenizer."""

    @abstractmethod
    def load(self) -> None:
        """Get ready for the first message."""

    def enter(self, mode: str) -> None:
        """Get ready for a mode."""
        self.mode = mode

    @abstractmethod
    def classify(self, texts: Sequence[str]) -> Scores:
        """Return the score of each message, in their order. This is what is timed."""

    def comparable(self, scores: Scores) -> Scores:
        """Turn scores into what PyTorch's softmax would say; not timed."""
        return scores


class BatchedEngine(Engine):
    """An engine that runs one batch of token ids and leaves the choice of batches to its user."""

    def enter(self, mode: str) -> None:
        """Start a thread for each batch that runs beside others."""
        super().enter(mode)
        self._pool = ThreadPoolExecutor(self.threads) if mode == SIDE_BY_SIDE else None

    def classify(self, texts: Sequence[str]) -> Scores:
        """Tokenise, batch as the mode says, run, and take the softmax."""
        rows = self.encode(texts)
        plan = plan_for(self.mode, [len(row) for row in rows])
        batches = [[rows[index] for index in batch] for batch in plan]
        pool: ThreadPoolExecutor | None = getattr(self, "_pool", None)
        results = map(self.run, batches) if pool is None else pool.map(self.run, batches)
        logits = np.empty((len(rows), 2), dtype=np.float32)
        for batch, result in zip(plan, results, strict=True):
            logits[batch] = result
        return probabilities(logits, temperature=1.0, positive_index=1)

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each message, without padding."""

    @abstractmethod
    def run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return the logits of one batch, shape (messages, 2)."""


def plan_for(mode: str, lengths: Sequence[int]) -> list[NDArray[np.intp]]:
    """Return the indices of the messages of each batch."""
    if mode == SIDE_BY_SIDE:
        # the longest first, so that no thread is left alone with them at the end
        return list(plan_batches(lengths, token_budget=TOKENS))[::-1]
    sizes = np.asarray(lengths)
    order = np.argsort(sizes, kind="stable") if mode == SORTED else np.arange(len(sizes))
    return [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
