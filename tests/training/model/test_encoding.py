"""Model input of the Trainer: normalised as at run time, augmented per epoch, reproducible after a resumption."""

# ruff: noqa: RUF001 - the tests use confusable characters

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast, TrainerControl, TrainerState, TrainingArguments

from spam_edge import SpamClassifier
from spam_edge.text.normalization import NORMALIZER_NAME, Normalizer
from spam_edge.training.data.augmentation import Augmenter, Probabilities
from spam_edge.training.data.notices import NOTICES, Template
from spam_edge.training.data.splits import Example
from spam_edge.training.model.encoding import CountEpochs, Encode, TrainingMessages, encode_examples, encoder

EXAMPLES = [Example(f"claim your prize today, call 0906170{n} or reply yes", "SPAM", n) for n in range(1000, 1010)]
EXAMPLES += [Example(f"see you at the station at {n}, running late", "HAM", n) for n in range(10)]
LABELS = [1] * 10 + [0] * 10


@pytest.fixture(scope="module")
def tokenizer(tiny_bundle: Path) -> PreTrainedTokenizerFast:
    loaded: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(tiny_bundle)
    return loaded


@pytest.fixture(scope="module")
def encode(tokenizer: PreTrainedTokenizerFast, tiny_bundle: Path) -> Encode:
    normalizer = Normalizer.open(tiny_bundle / NORMALIZER_NAME, tokenizer.get_vocab().__contains__)
    return encoder(tokenizer, normalizer, 32)


def messages(
    encode: Encode,
    *,
    augment: bool = True,
    examples: Sequence[Example] = EXAMPLES,
    seed: int = 1,
) -> TrainingMessages:
    probabilities = Probabilities(digits=1, respelling=1, padding=0.5)
    augmenter = Augmenter(["ok, call me"], probabilities, seed=1) if augment else None
    return TrainingMessages(lambda epoch: examples, encode, augmenter=augmenter, seed=seed)


def begin_epoch(data: TrainingMessages, epoch: float | None) -> None:
    """Call the callback as the Trainer does at the start of an epoch."""
    state = TrainerState(epoch=epoch)
    CountEpochs(data).on_epoch_begin(TrainingArguments(output_dir="nowhere"), state, TrainerControl())


def encodings(data: TrainingMessages) -> list[dict[str, Any]]:
    return [data[index] for index in range(len(data))]


def test_training_encoding_equals_first_runtime_view(encode: Encode, tiny_bundle: Path) -> None:
    texts = ["ｆｒｅｅ рrizе", "cl-aim &amp; ca11", "see you 🎉", "", "plain", "call " * 100]
    assert encode(texts) == SpamClassifier.load(tiny_bundle).token_ids(texts)


def test_evaluation_messages_are_encoded_without_augmentation(encode: Encode) -> None:
    data = encode_examples(EXAMPLES, encode)
    assert data["input_ids"] == encode([example.text for example in EXAMPLES])
    assert data["labels"] == [1] * 10 + [0] * 10
    assert [sum(mask) for mask in data["attention_mask"]] == list(map(len, data["input_ids"]))
    unchanged = messages(encode, augment=False)
    begin_epoch(unchanged, None)
    assert [encoding["input_ids"] for encoding in encodings(unchanged)] == data["input_ids"]


def test_each_epoch_augments_every_message_differently(encode: Encode) -> None:
    data = messages(encode)
    epochs = []
    for epoch in (None, 1.0, 2.0):
        begin_epoch(data, epoch)
        epochs.append(encodings(data))
        assert encodings(data) == epochs[-1]
        assert data.lengths == [len(encoding["input_ids"]) for encoding in epochs[-1]]
    for first, second in ((0, 1), (1, 2), (0, 2)):
        assert all(a["input_ids"] != b["input_ids"] for a, b in zip(epochs[first], epochs[second], strict=True))
    assert [encoding["labels"] for encoding in encodings(data)] == LABELS


@pytest.mark.parametrize("stored_epoch", [0.9999999, 1.0, 1.0000001])
def test_resumed_run_augments_like_uninterrupted_run(encode: Encode, stored_epoch: float) -> None:
    """The Trainer stores the epoch as a float with rounding errors."""
    uninterrupted, resumed = messages(encode), messages(encode)
    begin_epoch(uninterrupted, None)
    encodings(uninterrupted)
    begin_epoch(uninterrupted, 1.0)
    begin_epoch(resumed, stored_epoch)
    assert encodings(resumed) == encodings(uninterrupted)


def test_notice_templates_are_redrawn_in_each_epoch(encode: Encode) -> None:
    """Two messages of one template also differ within an epoch. Evaluation messages do not change."""
    template = Template("SPAM", "prize", "uk", "formal", "", "claim your prize, call {ref} {hash}")
    texts = [template.fill(random.Random(n)) for n in range(2)]
    notices = [Example(text, "SPAM", 100 + n, (NOTICES,), "prize", template) for n, text in enumerate(texts)]

    def encodings_of(seed: int, epoch: float | None) -> list[list[int]]:
        data = messages(encode, augment=False, examples=[*EXAMPLES, *notices], seed=seed)
        begin_epoch(data, epoch)
        assert encodings(data)[-1]["labels"] == 1
        return [encoding["input_ids"] for encoding in encodings(data)]

    token_ids = [encodings_of(seed, epoch) for seed, epoch in ((1, None), (1, 1.0), (1, 2.0), (2, None))]
    assert token_ids == [encodings_of(seed, epoch) for seed, epoch in ((1, None), (1, 1.0), (1, 2.0), (2, None))]
    assert len({tuple(ids) for epoch_ids in token_ids for ids in epoch_ids[-2:]}) == 8
    # Messages without a template do not change.
    assert len({tuple(map(tuple, epoch_ids[:-2])) for epoch_ids in token_ids}) == 1
    assert encode_examples(notices, encode)["input_ids"] == encode(texts)


def test_most_notice_links_lose_reserved_suffix_in_training(encode: Encode) -> None:
    template = Template("SPAM", "prize", "uk", "formal", "", "claim {bad}")
    notices = [Example("claim", "SPAM", n, (NOTICES,), "prize", template) for n in range(400)]
    reserved = encode([".example"])[0][1:-1]
    data = messages(encode, augment=False, examples=notices)
    n_reserved = sum(encoding["input_ids"][-1 - len(reserved) : -1] == reserved for encoding in encodings(data))
    assert 0 < n_reserved < 200
