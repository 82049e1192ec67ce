"""Model input for the Trainer: normalised as at run time, tokenised, and augmented in every training epoch."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import datasets
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from spam_edge.text.normalization import Normalizer
from spam_edge.training.data.augmentation import Augmenter
from spam_edge.training.data.messages import LABELS
from spam_edge.training.data.notices.links import with_public_domains
from spam_edge.training.data.splits import Example

_RESERVED_SHARE = 0.25
"""Share of the training messages whose links keep their reserved domains, which evaluation messages have."""

Encode = Callable[[Sequence[str]], list[list[int]]]
"""Maps n texts to n lists of token ids."""


def encoder(tokenizer: PreTrainedTokenizerFast, normalizer: Normalizer, max_length: int) -> Encode:
    """Return a function that normalises and tokenises texts.

    Only the first text variant is encoded. The second is a guess about obfuscation.
    """

    def encode(texts: Sequence[str]) -> list[list[int]]:
        variants = [normalizer.variants(text).text for text in texts]
        ids: list[list[int]] = tokenizer(variants, truncation=True, max_length=max_length)["input_ids"]
        return ids

    return encode


def encode_examples(examples: Sequence[Example], encode: Encode) -> datasets.Dataset:
    """Encode one split for evaluation, without augmentation."""
    ids = encode([example.text for example in examples])
    return datasets.Dataset.from_dict(
        {
            "input_ids": ids,
            "attention_mask": [[1] * len(row) for row in ids],
            "labels": [LABELS.index(example.label) for example in examples],
        }
    )


class TrainingMessages(Dataset[dict[str, Any]]):
    """The training messages, augmented anew in each epoch.

    Args:
        examples_of: returns the examples of an epoch, counted from 0.
        encode: normalises and tokenises texts.
        augmenter: augments texts; None disables augmentation.
        seed: seed of the slot values of template messages.

    Attributes:
        lengths: shape (n,), tokens of each message in the current epoch.
    """

    def __init__(
        self,
        examples_of: Callable[[int], Sequence[Example]],
        encode: Encode,
        *,
        augmenter: Augmenter | None,
        seed: int,
    ) -> None:
        self._examples_of = examples_of
        self._encode = encode
        self._augmenter = augmenter
        self._seed = seed
        self._rows: list[dict[str, Any]] = []
        self.lengths: list[int] = []
        self.begin(0)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return token ids, attention mask and label of one message."""
        return self._rows[index]

    def begin(self, epoch: int) -> None:
        """Generate and encode the messages of an epoch, counted from 0."""
        examples = self._examples_of(epoch)
        forms = [self._drawn(example, f"{self._seed} {epoch} {index}") for index, example in enumerate(examples)]
        if self._augmenter is not None:
            forms = [self._augmenter(text, index=index, epoch=epoch) for index, text in enumerate(forms)]
        encoded = self._encode(forms)
        self._rows = [
            {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": LABELS.index(example.label)}
            for ids, example in zip(encoded, examples, strict=True)
        ]
        self.lengths[:] = map(len, encoded)  # in place: the sampler holds this list

    def _drawn(self, example: Example, seed: str) -> str:
        if not example.template:
            return example.text
        rng = random.Random(seed)  # noqa: S311 - not for secrets
        text = example.template.fill(rng)
        return text if rng.random() < _RESERVED_SHARE else with_public_domains(text, rng)


class CountEpochs(TrainerCallback):
    """Advance the training messages to the current epoch, in resumed runs too."""

    def __init__(self, messages: TrainingMessages) -> None:
        self._messages = messages

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Generate the messages of the epoch that begins."""
        self._messages.begin(round(state.epoch or 0))
