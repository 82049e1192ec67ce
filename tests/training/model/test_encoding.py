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


def begin(data: TrainingMessages, epoch: float | None) -> None:
    """Begin an epoch as the Trainer does."""
    state = TrainerState(epoch=epoch)
    CountEpochs(data).on_epoch_begin(TrainingArguments(output_dir="nowhere"), state, TrainerControl())


def forms(data: TrainingMessages) -> list[dict[str, Any]]:
    return [data[index] for index in range(len(data))]


def test_training_sees_the_first_view_of_the_runtime(encode: Encode, tiny_bundle: Path) -> None:
    texts = ["ｆｒｅｅ рrizе", "cl-aim &amp; ca11", "see you 🎉", "", "plain", "call " * 100]
    assert encode(texts) == SpamClassifier.load(tiny_bundle).token_ids(texts)


def test_evaluation_sees_the_messages_as_they_are(encode: Encode) -> None:
    data = encode_examples(EXAMPLES, encode)
    assert data["input_ids"] == encode([example.text for example in EXAMPLES])
    assert data["labels"] == [1] * 10 + [0] * 10
    assert [sum(mask) for mask in data["attention_mask"]] == list(map(len, data["input_ids"]))
    unchanged = messages(encode, augment=False)
    begin(unchanged, None)
    assert [form["input_ids"] for form in forms(unchanged)] == data["input_ids"]


def test_each_epoch_has_other_forms_of_the_same_messages(encode: Encode) -> None:
    data = messages(encode)
    seen = []
    for epoch in (None, 1.0, 2.0):
        begin(data, epoch)
        seen.append(forms(data))
        assert forms(data) == seen[-1]
        assert data.lengths == [len(form["input_ids"]) for form in seen[-1]]
    for first, second in ((0, 1), (1, 2), (0, 2)):
        assert all(a["input_ids"] != b["input_ids"] for a, b in zip(seen[first], seen[second], strict=True))
    assert [form["labels"] for form in forms(data)] == LABELS


@pytest.mark.parametrize("last", [0.9999999, 1.0, 1.0000001])
def test_a_resumed_run_has_the_forms_of_an_uninterrupted_one(encode: Encode, last: float) -> None:
    """The Trainer stores the epoch as a fraction of steps, with rounding errors."""
    whole, resumed = messages(encode), messages(encode)
    begin(whole, None)
    forms(whole)
    begin(whole, 1.0)
    begin(resumed, last)
    assert forms(resumed) == forms(whole)


def test_notices_are_drawn_anew_in_each_epoch(encode: Encode) -> None:
    """Two messages of a template also differ within an epoch. Evaluation messages do not change."""
    template = Template("SPAM", "prize", "uk", "formal", "", "claim your prize, call {ref} {hash}")
    drawn = [template.fill(random.Random(n)) for n in range(2)]
    notices = [Example(text, "SPAM", 100 + n, (NOTICES,), "prize", template) for n, text in enumerate(drawn)]

    def forms_of(seed: int, epoch: float | None) -> list[list[int]]:
        data = messages(encode, augment=False, examples=[*EXAMPLES, *notices], seed=seed)
        begin(data, epoch)
        assert forms(data)[-1]["labels"] == 1
        return [form["input_ids"] for form in forms(data)]

    seen = [forms_of(seed, epoch) for seed, epoch in ((1, None), (1, 1.0), (1, 2.0), (2, None))]
    assert seen == [forms_of(seed, epoch) for seed, epoch in ((1, None), (1, 1.0), (1, 2.0), (2, None))]
    assert len({tuple(ids) for each in seen for ids in each[-2:]}) == 8
    assert len({tuple(map(tuple, each[:-2])) for each in seen}) == 1  # messages without a template do not change
    assert encode_examples(notices, encode)["input_ids"] == encode(drawn)


def test_most_links_of_notices_are_trained_without_their_reserved_ending(encode: Encode) -> None:
    template = Template("SPAM", "prize", "uk", "formal", "", "claim {bad}")
    notices = [Example("claim", "SPAM", n, (NOTICES,), "prize", template) for n in range(400)]
    reserved = encode([".example"])[0][1:-1]
    data = messages(encode, augment=False, examples=notices)
    with_it = sum(form["input_ids"][-1 - len(reserved) : -1] == reserved for form in forms(data))
    assert 0 < with_it < 200
