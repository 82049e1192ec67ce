"""Word influences: each equals the change of the score when the word is removed."""

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

_DROPPED_WHITESPACE = re.compile(r"[\x0b\x0c\x1c-\x1f\x85]")  # Python splits at these characters; BERT drops them


def _margin(text: str) -> float:
    ham, spam = CLASSIFIER.logits([text])[0]
    return float(spam - ham)


@settings(max_examples=60)
@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from(["free", "prize", "pub", "\u200b", "\x07", "[SEP]", "ﷺ"])).map(" ".join)
)
def test_explained_words_are_substrings_in_text_order(text: str) -> None:
    explanation, prediction = CLASSIFIER.explain(text), CLASSIFIER.classify(text)
    assert (explanation.label, explanation.score) == (prediction.label, prediction.score)
    assert explanation.truncated == prediction.truncated
    previous_end = 0
    for word in explanation.words:
        assert text[word.start : word.end] == word.text
        assert word.text.split() == [word.text]
        assert word.start >= previous_end
        previous_end = word.end
        assert -1 <= word.score <= 1
        assert np.isfinite(word.margin)
    if not explanation.truncated and not _DROPPED_WHITESPACE.search(text):
        [nothing, *ids] = CLASSIFIER.token_ids(["", *text.split()])
        expected = [word for word, word_ids in zip(text.split(), ids, strict=True) if word_ids != nothing]
        assert [word.text for word in explanation.words] == expected


def test_influence_equals_score_change_without_word() -> None:
    explanation = CLASSIFIER.explain(SPAM)
    assert [word.text for word in explanation.words] == SPAM.split()
    for word in explanation.words:
        without = SPAM[: word.start] + SPAM[word.end :]
        assert word.margin == pytest.approx(_margin(SPAM) - _margin(without), abs=1e-5)
        before, after = CLASSIFIER.score([SPAM]), CLASSIFIER.score([without])
        assert word.score == pytest.approx(float(before[0] - after[0]), abs=1e-6)


def test_decisive_word_has_largest_influence() -> None:
    text = "see you at 5 then 09061701461"
    words = {word.text: word for word in CLASSIFIER.explain(text).words}
    assert max(words.values(), key=lambda word: word.margin).text == "09061701461"
    assert words["09061701461"].margin > 1
    assert words["09061701461"].score > 0.5


@pytest.mark.parametrize("text", ["", " \t\n ", "\u200b \u2060", "\x07"])
def test_text_without_words_gives_empty_explanation(text: str) -> None:
    explanation = CLASSIFIER.explain(text)
    assert explanation.words == ()
    assert explanation.score == CLASSIFIER.classify(text).score


def test_single_word_is_compared_with_empty_text() -> None:
    [word] = CLASSIFIER.explain("  prize ").words
    assert (word.start, word.end) == (2, 7)
    assert word.margin == pytest.approx(_margin("prize") - _margin(""), abs=1e-5)


def test_long_text_is_explained_only_up_to_truncation(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_invalid_text_argument_is_refused() -> None:
    with pytest.raises(InputError, match="lone surrogate"):
        CLASSIFIER.explain("\ud800")
    with pytest.raises(InputError, match="one message"):
        CLASSIFIER.explain(["a", "b"])  # type: ignore[arg-type]
