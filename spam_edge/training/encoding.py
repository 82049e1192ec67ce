"""Messages as the Trainer takes them: normalised as at run time, tokenised, and in training changed in every epoch."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import datasets
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from spam_edge.normalization import Normalizer
from spam_edge.training.augmentation import Augmenter
from spam_edge.training.messages import LABELS
from spam_edge.training.splits import Example

Encode = Callable[[Sequence[str]], list[list[int]]]
"""Texts to token ids."""


def encoder(tokenizer: PreTrainedTokenizerFast, normalizer: Normalizer, max_length: int) -> Encode:
    """Return what normalises and tokenises texts; only their first views, as second ones are guesses."""

    def encode(texts: Sequence[str]) -> list[list[int]]:
        views = [normalizer.views(text).text for text in texts]
        ids: list[list[int]] = tokenizer(views, truncation=True, max_length=max_length)["input_ids"]
        return ids

    return encode


def encode_examples(examples: Sequence[Example], encode: Encode) -> datasets.Dataset:
    """Encode one side for evaluation."""
    ids = encode([example.text for example in examples])
    return datasets.Dataset.from_dict(
        {
            "input_ids": ids,
            "attention_mask": [[1] * len(row) for row in ids],
            "labels": [LABELS.index(example.label) for example in examples],
        }
    )


class TrainingMessages(Dataset[dict[str, Any]]):
    """The training split, each message in another form in each epoch.

    Args:
        examples: n messages.
        encode: normalises and tokenises them.
        augmenter: changes them; None leaves them as they are.
        seed: of the values that are drawn for messages of a template.

    Attributes:
        lengths: tokens of each message as it stands in the corpus.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        encode: Encode,
        *,
        augmenter: Augmenter | None,
        seed: int,
    ) -> None:
        self._examples = examples
        self._encode = encode
        self._augmenter = augmenter
        self._seed = seed
        self.lengths = [len(ids) for ids in encode([example.text for example in examples])]
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return token ids, attention mask and label of one message."""
        return self._rows[index]

    def begin(self, epoch: int) -> None:
        """Make the forms of an epoch, from 0."""
        forms = [self._drawn(example, f"{self._seed} {epoch} {index}") for index, example in enumerate(self._examples)]
        if self._augmenter is not None:
            forms = [self._augmenter(text, index=index, epoch=epoch) for index, text in enumerate(forms)]
        self._rows = [
            {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": LABELS.index(example.label)}
            for ids, example in zip(self._encode(forms), self._examples, strict=True)
        ]

    def _drawn(self, example: Example, seed: str) -> str:
        return example.template.fill(random.Random(seed)) if example.template else example.text  # noqa: S311


class CountEpochs(TrainerCallback):
    """Tells the training messages which epoch it is, after a resumed run too."""

    def __init__(self, messages: TrainingMessages) -> None:
        self._messages = messages

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Tell them the number of the epoch that begins, from 0."""
        self._messages.begin(round(state.epoch or 0))
