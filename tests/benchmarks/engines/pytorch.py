"""PyTorch and transformers: dynamic padding, the padding of this project's first code, and the pipeline."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spam_edge.runtime.batching import pad_rows
from tests.benchmarks.engines.base import BATCH, CORPUS_ORDER, SIDE_BY_SIDE, SORTED, BatchedEngine, Engine, Scores
from tests.benchmarks.engines.tokens import with_transformers
from tests.benchmarks.model import WEIGHTS


class PyTorchFp32(BatchedEngine):
    """The checkpoint in transformers, in inference mode."""

    title = "PyTorch fp32"
    precision = "fp32"
    settings = "transformers, scaled dot product attention, inference mode, dynamic padding"
    modules = ("torch", "transformers")
    dtype: ClassVar[str] = "float32"

    def build(self) -> None:
        """Do nothing: the engine reads the checkpoint."""

    def files(self) -> Iterable[Path]:
        """Return the weights."""
        return [self.model.checkpoint / WEIGHTS]

    def load(self) -> None:
        """Load the checkpoint in this engine's dtype."""
        import torch
        from transformers import AutoModelForSequenceClassification

        torch.set_num_threads(self.threads)
        self._torch = torch
        self._encode = with_transformers(self.model)
        self._model = AutoModelForSequenceClassification.from_pretrained(
            self.model.checkpoint, dtype=getattr(torch, self.dtype)
        ).eval()

    def enter(self, mode: str) -> None:
        """Set the number of threads per batch, in this thread and in the thread pool."""
        threads = 1 if mode == SIDE_BY_SIDE else self.threads
        self._torch.set_num_threads(threads)
        super().enter(mode)
        if mode == SIDE_BY_SIDE:
            self._pool = ThreadPoolExecutor(self.threads, initializer=self._torch.set_num_threads, initargs=(1,))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenise with transformers."""
        return self._encode(texts)

    def run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Run one batch."""
        ids, mask = map(self._torch.from_numpy, self.pad(rows))
        with self._torch.inference_mode():
            logits: NDArray[np.float32] = self._model(input_ids=ids, attention_mask=mask).logits.float().numpy()
        return logits

    def pad(self, rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pad to the longest message of the batch."""
        return pad_rows(rows, pad_token_id=int(self.model.config["pad_token_id"]))


class PyTorchBf16(PyTorchFp32):
    """The same in bfloat16, for which a processor may lack instructions."""

    title = "PyTorch bf16"
    precision = "bf16"
    settings = "as fp32, weights and activations in bfloat16, every 4th message"
    dtype = "bfloat16"
    slowness = 4  # for processors without bf16 instructions


class Seed(PyTorchFp32):
    """The code this project started from: every message is padded to the model's maximum length."""

    title = "seed: PyTorch, padded to 512"
    settings = f'padding="max_length" to the maximum length of the model, batches of {BATCH}, every 16th message'
    modes = (CORPUS_ORDER,)
    slowness = 16

    def pad(self, rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pad to the model's maximum length."""
        ids, mask = super().pad(rows)
        right = ((0, 0), (0, int(self.model.config["max_position_embeddings"]) - ids.shape[1]))
        return np.pad(ids, right, constant_values=int(self.model.config["pad_token_id"])), np.pad(mask, right)


class Pipeline(Engine):
    """``pipeline("text-classification")`` of transformers."""

    title = "transformers pipeline"
    precision = "fp32"
    settings = f"text-classification pipeline, fp32, batch_size={BATCH}; sorted: by characters"
    modules = ("torch", "transformers")
    modes = (CORPUS_ORDER, SORTED)

    def build(self) -> None:
        """Do nothing: the engine reads the checkpoint."""

    def files(self) -> Iterable[Path]:
        """Return the weights."""
        return [self.model.checkpoint / WEIGHTS]

    def load(self) -> None:
        """Load the pipeline on the CPU."""
        import torch
        from transformers import pipeline

        torch.set_num_threads(self.threads)
        checkpoint = str(self.model.checkpoint)
        self._pipeline: Any = pipeline("text-classification", model=checkpoint, tokenizer=checkpoint, device="cpu")

    def classify(self, texts: Sequence[str]) -> Scores:
        """Pass all messages to the pipeline in one call."""
        order = np.arange(len(texts))
        if self.mode == SORTED:
            order = np.argsort([len(text) for text in texts], kind="stable")
        found = self._pipeline(
            [texts[int(index)] for index in order],
            batch_size=BATCH,
            top_k=None,
            truncation=True,
            max_length=self.model.max_length,
        )
        positive = self.model.config["id2label"]["1"]
        scores = np.empty(len(texts), dtype=np.float32)
        scores[order] = [next(each["score"] for each in row if each["label"] == positive) for row in found]
        return scores
