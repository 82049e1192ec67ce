"""Word influences: each equals the change of score without the word."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spam_edge import InputError, RuntimeOptions, SpamClassifier

TINY = Path(__file__).parents[1] / "data" / "tiny_bundle"
CLASSIFIER = SpamClassifier.load(TINY, RuntimeOptions(device="cpu", threads=1))
SPAM = "Free prize! Txt WIN  to 88222 now, 150p/msg"

_NO_SPACES = re.compile(r"[\x0b\x0c\x1c-\x1f\x85]")  # whitespace for Python, dropped by BERT


def _margin(text: str) -> float:
    ham, spam = CLASSIFIER.logits([text])[0]
    return float(spam - ham)


@settings(max_examples=60)
@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from(["free", "prize", "pub", "\u200b", "\x07", "[SEP]", "ﷺ"])).map(" ".join)
)
def test_any_text_is_explained_by_words_of_its_own(text: str) -> None:
    explanation, prediction = CLASSIFIER.explain(text), CLASSIFIER.classify(text)
    assert (explanation.label, explanation.score) == (prediction.label, prediction.score)
    assert explanation.truncated == prediction.truncated
    ends = 0
    for word in explanation.words:
        assert text[word.start : word.end] == word.text
        assert word.text.split() == [word.text]
        assert word.start >= ends
        ends = word.end
        assert -1 <= word.score <= 1
        assert np.isfinite(word.margin)
    if not explanation.truncated and not _NO_SPACES.search(text):
        [nothing, *ids] = CLASSIFIER.token_ids(["", *text.split()])
        seen = [word for word, own in zip(text.split(), ids, strict=True) if own != nothing]
        assert [word.text for word in explanation.words] == seen


def test_influence_is_what_the_word_changes() -> None:
    explanation = CLASSIFIER.explain(SPAM)
    assert [word.text for word in explanation.words] == SPAM.split()
    for word in explanation.words:
        without = SPAM[: word.start] + SPAM[word.end :]
        assert word.margin == pytest.approx(_margin(SPAM) - _margin(without), abs=1e-5)
        before, after = CLASSIFIER.score([SPAM]), CLASSIFIER.score([without])
        assert word.score == pytest.approx(float(before[0] - after[0]), abs=1e-6)


def test_a_word_that_decides_has_the_influence() -> None:
    text = "see you at 5 then 09061701461"
    words = {word.text: word for word in CLASSIFIER.explain(text).words}
    assert max(words.values(), key=lambda word: word.margin).text == "09061701461"
    assert words["09061701461"].margin > 1
    assert words["09061701461"].score > 0.5


@pytest.mark.parametrize("text", ["", " \t\n ", "\u200b \u2060", "\x07"])
def test_a_text_without_words_has_none(text: str) -> None:
    explanation = CLASSIFIER.explain(text)
    assert explanation.words == ()
    assert explanation.score == CLASSIFIER.classify(text).score


def test_one_word_is_compared_with_nothing() -> None:
    [word] = CLASSIFIER.explain("  prize ").words
    assert (word.start, word.end) == (2, 7)
    assert word.margin == pytest.approx(_margin("prize") - _margin(""), abs=1e-5)


def test_of_a_long_text_only_what_is_read_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    logits = CLASSIFIER.logits
    monkeypatch.setattr(CLASSIFIER, "logits", lambda texts: batches.append(len(texts)) or logits(texts))
    short = "meet me at the pub " * 20
    explanation = CLASSIFIER.explain(short + "free prize " * 100_000)
    words = len(explanation.words)
    assert explanation.truncated
    assert 0 < words <= CLASSIFIER.manifest.max_length - 2
    assert explanation.words == CLASSIFIER.explain(short).words
    assert batches == [words + 1, words + 1]  # one batch: the message, and the message without each word


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="lone surrogate"):
        CLASSIFIER.explain("\ud800")
    with pytest.raises(InputError, match="one message"):
        CLASSIFIER.explain(["a", "b"])  # type: ignore[arg-type]
