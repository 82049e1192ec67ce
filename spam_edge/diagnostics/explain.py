"""Word influences by occlusion: each word is left out once, and the change of the score is its influence."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.manifest import Manifest
from spam_edge.decision.calibration import Calibration
from spam_edge.prediction import Prediction

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a message and its influence on the score.

    Attributes:
        text: the word as written, with adjacent punctuation.
        start: index of its first character in the message.
        end: index after its last character.
        margin: decrease of the logit margin without the word; positive values favour the positive label.
        score: decrease of the score without the word.
    """

    text: str
    start: int
    end: int
    margin: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A prediction with the influence of each word.

    Attributes:
        label: label of the prediction.
        score: score of the prediction.
        threshold: lowest score with the positive label.
        truncated: the message exceeded the maximum length; words beyond it are not listed.
        words: the words that produce tokens, in message order.
    """

    label: str
    score: float
    threshold: float
    truncated: bool
    words: tuple[Word, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as JSON-compatible data."""
        return asdict(self)


class Explainable(Protocol):
    """The part of the classifier interface used here; importing the classifier would be a cycle."""

    @property
    def manifest(self) -> Manifest:
        """The manifest of the bundle."""

    @property
    def threshold(self) -> float:
        """Lowest score with the positive label."""

    def classify(self, text: str) -> Prediction:
        """Classify one message."""

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return logits, shape (messages, labels)."""

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return token ids by message."""


def explain(classifier: Explainable, text: str) -> Explanation:
    """Score the message without each of its words, in one batch, and return the differences.

    Influences are not additive: redundant words mask each other and may each have an influence near 0.

    Raises:
        InputError: the message is not a string or not valid Unicode.
    """
    prediction = classifier.classify(text)
    read, words = _what_is_read(classifier, text)
    without = [read[: word.start()] + read[word.end() :] for word in words]
    calibration = Calibration.of(classifier.manifest)
    margins = calibration.margins(classifier.logits([read, *without]))
    scores = calibration.scores_of(margins)
    changes = zip((margins[0] - margins[1:]).tolist(), (scores[0] - scores[1:]).tolist(), strict=True)
    return Explanation(
        label=prediction.label,
        score=prediction.score,
        threshold=classifier.threshold,
        truncated=prediction.truncated,
        words=tuple(
            Word(word[0], word.start(), word.end(), margin, score)
            for word, (margin, score) in zip(words, changes, strict=True)
        ),
    )


def _what_is_read(classifier: Explainable, text: str) -> tuple[str, list[re.Match[str]]]:
    """Return the shortest prefix with the token ids of the whole message, and its words that produce tokens.

    The prefix is found by tokenising. The tokenizer's offsets refer to normalised text and cannot be used.
    """
    [whole] = classifier.token_ids([text])
    [nothing] = classifier.token_ids([""])
    words: list[re.Match[str]] = []

    def suffice(count: int) -> bool:
        [ids] = classifier.token_ids([text[: words[count - 1].end()] if count else ""])
        return ids == whole

    rest, step = _WORD.finditer(text), classifier.manifest.max_length
    while more := list(islice(rest, step)):
        words += more
        step = len(words)
        if suffice(step):
            break
    first = words[: bisect_left(range(len(words)), True, key=suffice)]
    # Words made only of control characters produce no token, and their number is not bounded by max_length.
    own = classifier.token_ids([word[0] for word in first])
    seen = [word for word, ids in zip(first, own, strict=True) if ids != nothing]
    return text[: first[-1].end()] if first else "", seen
