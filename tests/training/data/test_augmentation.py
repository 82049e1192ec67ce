"""Data augmentation: determinism, transforms and equal treatment of both labels."""

import random
import re
from collections.abc import Callable
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.training.data.augmentation import Augmenter, Probabilities
from spam_edge.training.data.messages import HAM, LabelledMessage

FILLERS = ["ok lar", "see you at lunch", "running late sorry", "x" * 200]
NO_AUGMENTATION = Probabilities(digits=0, domains=0, respelling=0, padding=0)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=80)
NUMBERS = st.text("0179٣५", min_size=1, max_size=6)
TEXTS_WITH_NUMBERS = st.lists(NUMBERS | st.text(st.characters(codec="utf-8"), max_size=5)).map("".join)


def forms(augmenter: Augmenter, text: str, count: int = 200) -> list[str]:
    return [augmenter(text, index=index, epoch=0) for index in range(count)]


@given(TEXTS, st.integers(0, 10**6), st.integers(0, 10))
def test_same_seed_index_and_epoch_give_same_text(text: str, index: int, epoch: int) -> None:
    first = Augmenter(FILLERS, Probabilities(), seed=3)(text, index=index, epoch=epoch)
    random.random()  # the global generator must not be used
    assert Augmenter(FILLERS, Probabilities(), seed=3)(text, index=index, epoch=epoch) == first
    first.encode()


def test_different_seed_index_or_epoch_gives_different_text() -> None:
    text = "claim your prize today, call 09061701461 or reply yes please"
    augmenters = {seed: Augmenter(FILLERS, Probabilities(digits=1), seed=seed) for seed in (1, 2)}
    augmented = {
        augmenters[seed](text, index=index, epoch=epoch)
        for seed in augmenters
        for index in range(5)
        for epoch in range(5)
    }
    assert len(augmented) == 50


@given(TEXTS, st.integers(0, 1000))
def test_zero_probabilities_leave_text_unchanged(text: str, index: int) -> None:
    assert Augmenter(FILLERS, NO_AUGMENTATION, seed=0)(text, index=index, epoch=index) == text


@given(TEXTS_WITH_NUMBERS, st.integers(0, 1000))
def test_digit_augmentation_replaces_only_long_numbers_in_place(text: str, index: int) -> None:
    augmenter = Augmenter([], Probabilities(digits=1, domains=0, respelling=0, padding=0), seed=0)
    changed = augmenter(text, index=index, epoch=0)
    assert len(changed) == len(text)
    long_numbers = {at for match in re.finditer(r"\d{3,}", text) for at in range(*match.span())}
    for at, (before, after) in enumerate(zip(text, changed, strict=True)):
        assert after in "0123456789" if at in long_numbers else after == before


def test_short_numbers_are_kept_and_long_numbers_vary() -> None:
    augmenter = Augmenter([], Probabilities(digits=1, respelling=0, padding=0), seed=0)
    augmented = forms(augmenter, "call 09061701461 at 10 or 5, 150p")
    assert all(re.fullmatch(r"call \d{11} at 10 or 5, \d{3}p", text) for text in augmented)
    assert len(set(augmented)) == len(augmented)


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_share_of_respelled_words_is_limited(share: float) -> None:
    text = " ".join(["entertainment"] * 100)
    augmenter = Augmenter([], Probabilities(digits=0, respelling=1, padding=0, share=share), seed=0)
    shares = [mean(word != "entertainment" for word in form.split(" ")) for form in forms(augmenter, text)]
    assert 0 < mean(shares) < share
    assert max(shares) < share + 0.2
    assert all(form.count(" ") == 99 for form in forms(augmenter, text))


def test_reserved_example_domains_are_replaced_by_public_domains() -> None:
    augmenter = Augmenter([], Probabilities(digits=0, domains=1, respelling=0, padding=0), seed=0)
    text = "pay at https://acme.example/t/x, www.acme.co.uk.example or pay@acme.example.com"
    augmented = forms(augmenter, text)
    pattern = r"pay at https://acme\.[a-z.]+/t/x, www\.acme\.co\.uk or pay@acme\.[a-z.]+"
    assert [form for form in augmented if "example" in form or not re.fullmatch(pattern, form)] == []
    assert len(set(augmented)) > 50
    for unchanged in ("for example: see examples", "203.0.113.7/pay"):
        assert set(forms(augmenter, unchanged)) == {unchanged}
    assert set(forms(Augmenter([], NO_AUGMENTATION, seed=0), text)) == {text}


def test_respelling_uses_every_transformation() -> None:
    augmenter = Augmenter([], Probabilities(digits=0, respelling=1, padding=0, share=1), seed=0)
    augmented = set(forms(augmenter, "forties", 2000))
    expected = {"froties", "foties", "forrties", "fortoes", "f0rt1e5", "4ties", "frties"}
    assert expected <= augmented  # transposed, deleted, doubled, neighbouring key, leet, phonetic, dropped vowel
    assert all(form[0] in "f4" for form in augmented)  # only phonetic spelling changes the first letter


def test_short_and_non_ascii_words_are_not_respelled() -> None:
    augmenter = Augmenter([], Probabilities(digits=0, respelling=1, padding=0, share=1), seed=0)
    assert set(forms(augmenter, "u r ok привет 你好 über")) == {"u r ok привет 你好 über"}


def test_padding_adds_short_ham_before_or_after_text() -> None:
    augmenter = Augmenter(FILLERS, Probabilities(digits=0, respelling=0, padding=1), seed=0)
    expected = {f"win {ham}" for ham in FILLERS[:3]} | {f"{ham} win" for ham in FILLERS[:3]}
    assert set(forms(augmenter, "win")) == expected


def test_ham_and_spam_are_augmented_equally_often(make_messages: Callable[[int], list[LabelledMessage]]) -> None:
    messages = make_messages(3000)
    augmenter = Augmenter(FILLERS, Probabilities(), seed=0)
    shares: dict[bool, list[float]] = {True: [], False: []}
    for index, message in enumerate(messages):
        words = message.text.split(" ")
        form = augmenter(message.text, index=index, epoch=1).split(" ")
        shares[message.label == HAM].append(len(set(words) - set(form)) / len(words))
    ham, spam = shares[True], shares[False]
    for minimum in (0.001, 0.1, 0.2, 0.3):
        ham_share, spam_share = mean(share >= minimum for share in ham), mean(share >= minimum for share in spam)
        assert abs(ham_share - spam_share) < 0.04  # twice the standard error of 0.018
    assert 0.2 < mean(share > 0 for share in ham) < 0.35
