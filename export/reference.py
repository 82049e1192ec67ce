"""PyTorch reference that every exported file is compared with."""

import copy
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from export.checkpoint import WEIGHTS
from export.errors import ExportError
from spam_edge.text.normalization import NORMALIZER_NAME, Normalizer

_BATCH = 32
_REMEDY = "run `make train` again"


class PyTorchReference:
    """The checkpoint in fp32 on the CPU, with its Hugging Face tokenizer.

    Attributes:
        model: the PyTorch model, in evaluation mode.
    """

    def __init__(self, checkpoint: Path, *, max_length: int) -> None:
        """Open a checkpoint.

        Raises:
            ExportError: weights, configuration and tokenizer do not fit together, or a file is malformed.
        """
        self.model = _load_model(checkpoint)
        self._tokenizer = _load_tokenizer(checkpoint, words=self.model.config.vocab_size)
        self._normalizer = Normalizer.open(checkpoint / NORMALIZER_NAME, self._tokenizer.get_vocab().__contains__)
        self._max_length = max_length

    def with_model(self, model: PreTrainedModel) -> Self:
        """Return a copy with another model and the same tokenizer."""
        other = copy.copy(self)
        other.model = model
        return other

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Normalise and tokenise the first text variant of each message as in training, special tokens included."""
        return self._tokenize([self._normalizer.variants(text).text for text in texts])

    def logits(
        self, texts: Sequence[str], *, description: str = "PyTorch", same_length: bool = False
    ) -> NDArray[np.float32]:
        """Return logits, shape (messages, labels), computed in batches of similar length.

        If a message has two text variants, the one with the larger spam margin counts.

        Args:
            texts: the messages.
            description: label of the progress bar.
            same_length: batch only messages of equal token count, without padding.
        """
        variants = [self._normalizer.variants(text) for text in texts]
        logits = self._logits([variant.text for variant in variants], description, same_length=same_length)
        seconds = {index: variant.joined for index, variant in enumerate(variants) if variant.joined is not None}
        others = self._logits(list(seconds.values()), description, same_length=same_length)
        for index, other in zip(seconds, others, strict=True):
            logits[index] = max(logits[index], other, key=lambda row: row[1] - row[0])
        return logits

    def first_view_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return logits of the first text variant of each message, shape (messages, labels)."""
        return self._logits([self._normalizer.variants(text).text for text in texts], "PyTorch", same_length=False)

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


def _load_model(checkpoint: Path) -> PreTrainedModel:
    try:
        # transformers also reads pickles, and initialises weights at random that the file lacks.
        model, info = AutoModelForSequenceClassification.from_pretrained(
            checkpoint, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # of configuration, weights and torch, without a common base class
        raise _unusable(checkpoint, error) from error
    if wrong := sorted({*info["missing_keys"], *info["unexpected_keys"]}):
        raise ExportError(f"{checkpoint / WEIGHTS} lacks or has too many weights, such as {wrong[0]}; {_REMEDY}")
    return cast("PreTrainedModel", model.eval())


def _load_tokenizer(checkpoint: Path, *, words: int) -> PreTrainedTokenizerFast:
    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, local_files_only=True)
    except Exception as error:  # the tokenizers library raises bare Exception
        raise _unusable(checkpoint / "tokenizer.json", error) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ExportError(f"{checkpoint}: its tokenizer has no fast version; {_REMEDY}")
    if len(tokenizer) > words:
        raise ExportError(f"{checkpoint / 'tokenizer.json'} has more than the {words:,} words of the model; {_REMEDY}")
    return tokenizer


def _unusable(path: Path, error: Exception) -> ExportError:
    reason = str(error).strip() or type(error).__name__
    return ExportError(f"{path} cannot be loaded ({reason.splitlines()[0]}); {_REMEDY}")


def _batches(runs: Sequence[list[int]]) -> Iterator[list[int]]:
    for run in runs:
        for start in range(0, len(run), _BATCH):
            yield run[start : start + _BATCH]
