"""What PyTorch says: the reference that every exported file is held against."""

import copy
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from spam_edge.normalization import NORMALIZER_NAME, Normalizer

_BATCH = 32


class PyTorchReference:
    """The checkpoint in fp32 on the CPU, with its own Hugging Face tokenizer.

    Attributes:
        model: the PyTorch model, in evaluation mode.
    """

    def __init__(self, checkpoint: Path, *, max_length: int) -> None:
        self.model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
            checkpoint, dtype=torch.float32
        ).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        self._normalizer = Normalizer.open(checkpoint / NORMALIZER_NAME, self._tokenizer.get_vocab().__contains__)
        self._max_length = max_length

    def with_model(self, model: PreTrainedModel) -> Self:
        """Return the same tokenizer with another model."""
        other = copy.copy(self)
        other.model = model
        return other

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Normalise and tokenise as in training, special tokens included: the first view of each message."""
        return self._tokenize([self._normalizer.views(text).text for text in texts])

    def logits(
        self, texts: Sequence[str], *, description: str = "PyTorch", same_length: bool = False
    ) -> NDArray[np.float32]:
        """Return logits, shape (messages, labels), computed in batches of similar length.

        Of a message with two views those of the one that looks more like spam count.

        Args:
            texts: the messages.
            description: words beside the progress bar.
            same_length: batch only messages of equal length, so that nothing is padded.
        """
        views = [self._normalizer.views(text) for text in texts]
        logits = self._logits([view.text for view in views], description, same_length=same_length)
        seconds = {index: view.joined for index, view in enumerate(views) if view.joined is not None}
        others = self._logits(list(seconds.values()), description, same_length=same_length)
        for index, other in zip(seconds, others, strict=True):
            logits[index] = max(logits[index], other, key=lambda row: row[1] - row[0])
        return logits

    def first_view_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return logits of what :meth:`token_ids` returns the tokens of, shape (messages, labels)."""
        return self._logits([self._normalizer.views(text).text for text in texts], "PyTorch", same_length=False)

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        encoded = self._tokenizer(list(texts), truncation=True, max_length=self._max_length)
        return cast("list[list[int]]", encoded["input_ids"])

    def _logits(self, texts: Sequence[str], description: str, *, same_length: bool) -> NDArray[np.float32]:
        lengths = [len(ids) for ids in self._tokenize(texts)]
        order = sorted(range(len(texts)), key=lengths.__getitem__)
        runs = [list(run) for _, run in groupby(order, key=lengths.__getitem__)] if same_length else [order]
        logits = np.empty((len(texts), self.model.config.num_labels), dtype=np.float32)
        with tqdm(total=len(texts), desc=description, leave=False, disable=None) as bar:
            for batch in _batches(runs):
                logits[batch] = self._run([texts[index] for index in batch])
                bar.update(len(batch))
        return logits

    @torch.inference_mode()
    def _run(self, texts: list[str]) -> NDArray[np.float32]:
        batch = self._tokenizer(texts, truncation=True, max_length=self._max_length, padding=True, return_tensors="pt")
        output = self.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        return cast("NDArray[np.float32]", output.logits.numpy())


def _batches(runs: Sequence[list[int]]) -> Iterator[list[int]]:
    for run in runs:
        for start in range(0, len(run), _BATCH):
            yield run[start : start + _BATCH]
