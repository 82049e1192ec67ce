"""Which words of a message make it spam: each is left out once, and what that changes is its influence."""

import re
from bisect import bisect_left
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from spam_edge.scores import probabilities

if TYPE_CHECKING:
    from spam_edge.classifier import SpamClassifier

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a message, and how far it moves the verdict.

    Attributes:
        text: the word as it is written, with the punctuation that touches it.
        start: index of its first character in the message.
        end: index after its last one.
        margin: how much less the difference of the two logits is without it; above 0, it speaks for the positive label.
        score: how much less the score is without it.
    """

    text: str
    start: int
    end: int
    margin: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A verdict and the words that it rests on.

    Attributes:
        label: as of the prediction.
        score: as of the prediction.
        threshold: lowest score that is called positive.
        truncated: the message goes on after what the model reads; there, no word has an influence.
        words: those that the model sees something of, in their order.
    """

    label: str
    score: float
    threshold: float
    truncated: bool
    words: tuple[Word, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def explain(classifier: "SpamClassifier", text: str) -> Explanation:
    """Leave out each word that the model reads once, all in one batch, and compare with the whole.

    The influences need not add up: words that say the same cover for each other, and each of them alone then seems to
    have none.

    Raises:
        InputError: the message is no string or no valid Unicode.
    """
    prediction = classifier.classify(text)
    words = _words_read(classifier, text)
    read = text[: words[-1].end()] if words else ""
    without = [read[: word.start()] + read[word.end() :] for word in words]
    logits, manifest = classifier.logits([read, *without]), classifier.manifest
    margins = logits[:, manifest.positive_index] - logits[:, 1 - manifest.positive_index]
    scores = probabilities(logits, temperature=manifest.temperature, positive_index=manifest.positive_index)
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


def _words_read(classifier: "SpamClassifier", text: str) -> list[re.Match[str]]:
    """Return the words that the model sees something of: as many from the beginning as it takes to read what it reads.

    That is asked of the tokenizer, and not worked out from its offsets, which are those of a text it has changed.
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
    # Words of control characters alone leave no token: of those there may be as many as the message has room for.
    own = classifier.token_ids([word[0] for word in first])
    return [word for word, ids in zip(first, own, strict=True) if ids != nothing]
