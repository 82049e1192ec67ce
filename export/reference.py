"""What PyTorch says: the reference that every exported file is held against."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer

_BATCH = 32


class PyTorchReference:
    """The checkpoint in fp32 on the CPU, with its own Hugging Face tokenizer."""

    def __init__(self, checkpoint: Path, *, max_length: int) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        self._model = AutoModelForSequenceClassification.from_pretrained(checkpoint, dtype=torch.float32).eval()
        self._max_length = max_length

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenise as in training, special tokens included."""
        if not texts:
            return []
        encoded = self._tokenizer(list(texts), truncation=True, max_length=self._max_length)
        return cast("list[list[int]]", encoded["input_ids"])

    def logits(self, texts: Sequence[str], *, description: str = "PyTorch") -> NDArray[np.float32]:
        """Return logits, shape (messages, labels), computed in batches of similar length."""
        lengths = [len(ids) for ids in self.token_ids(texts)]
        order = sorted(range(len(texts)), key=lengths.__getitem__)
        logits = np.empty((len(texts), self._model.config.num_labels), dtype=np.float32)
        for start in tqdm(range(0, len(order), _BATCH), desc=description, leave=False, disable=None):
            batch = order[start : start + _BATCH]
            logits[batch] = self._run([texts[index] for index in batch])
        return logits

    @torch.inference_mode()
    def _run(self, texts: list[str]) -> NDArray[np.float32]:
        batch = self._tokenizer(texts, truncation=True, max_length=self._max_length, padding=True, return_tensors="pt")
        output = self._model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        return cast("NDArray[np.float32]", output.logits.numpy())
