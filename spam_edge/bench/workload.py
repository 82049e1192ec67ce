"""Prepare messages to measure with. All are distinct, because a call scores duplicates once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from spam_edge.errors import InputError
from spam_edge.readers.windows import WINDOW, ReadOptions, display_name, read_windows

TokenIdsOf = Callable[[Sequence[str]], list[list[int]]]
"""Maps messages to token ids, special tokens included: :meth:`spam_edge.classifier.SpamClassifier.token_ids`."""

_GOLDEN_RATIO = 0.618  # the fractional parts of its multiples cover 0 to 1 evenly, whatever their number


@dataclass(frozen=True, slots=True)
class Workload:
    """Messages with distinct token ids, shortest first.

    Attributes:
        texts: the messages, at most one window of ``spam-edge classify``.
        tokens: tokens of each message, special tokens included.
        given: number of distinct messages given; the others are synthetic.
    """

    texts: Sequence[str]
    tokens: Sequence[int]
    given: int

    @classmethod
    def build(cls, texts: Sequence[str], token_ids: TokenIdsOf, *, size: int = WINDOW) -> Self:
        """Take up to ``size`` distinct messages, and fill up with synthetic ones.

        A synthetic message replaces each word of a message by a random word of the same number of tokens from all
        messages, so it is nonsense of the same length. A message without distinct replacements, such as an empty one,
        adds none.

        Args:
            texts: messages; duplicates count once.
            token_ids: tokenizer.
            size: maximum number of messages.

        Raises:
            InputError: there are no messages.
        """
        if not texts:
            raise InputError("no messages to benchmark")
        found: dict[tuple[int, ...], str] = {}

        def add(candidates: Sequence[str]) -> bool:
            before = len(found)
            for text, ids in zip(candidates, token_ids(candidates), strict=True):
                if len(found) < size:
                    found.setdefault(tuple(ids), text)
            return len(found) > before

        add(texts)
        given = len(found)
        if given < size:
            repeat = _repeater(list(found.values()), token_ids)
            while add(repeat()):
                pass
        ordered = sorted(found.items(), key=lambda entry: len(entry[0]))
        return cls([text for _, text in ordered], [len(ids) for ids, _ in ordered], given)

    @property
    def mean_tokens(self) -> float:
        """The mean tokens per message."""
        return sum(self.tokens) / len(self.tokens)

    def call(self, step: int, number: int) -> tuple[Sequence[str], float]:
        """Return the messages of one call.

        Args:
            step: stride, from 1 (all messages) to the number of messages.
            number: call number; sets the offset, so that successive calls take different messages.

        Returns:
            The messages, and their number in units of messages of mean length.
        """
        chosen = slice(number % step, None, step)
        return self.texts[chosen], sum(self.tokens[chosen]) / self.mean_tokens

    def singles(self, count: int, number: int) -> list[str]:
        """Return ``count`` messages, short to long and evenly spaced; ``number`` shifts the selection."""
        places = (np.arange(count) + _GOLDEN_RATIO * number % 1) * len(self.texts) / count
        return [self.texts[int(place)] for place in places]


def read_texts(path: Path, reading: ReadOptions, *, limit: int = WINDOW) -> tuple[list[str], int]:
    """Read the first messages of a file, or of standard input for ``-``.

    Returns:
        At most ``limit`` messages, and the number of unreadable rows among those read.

    Raises:
        InputError: the file cannot be read or has no messages.
    """
    texts: list[str] = []
    bad = 0
    for window in read_windows(path, reading):
        texts += [message.text for message in window.messages]
        bad += len(window.bad)
        if len(texts) >= limit:
            break
    if not texts:
        raise InputError(f"{display_name(path)} has no messages to benchmark")
    return texts[:limit], bad


def _repeater(texts: Sequence[str], token_ids: TokenIdsOf) -> Callable[[], list[str]]:
    """Return a function whose every call returns all messages shuffled, with other words; seeded, so deterministic."""
    rows = [text.split() for text in texts]
    words = sorted({word for row in rows for word in row})
    size = {word: len(ids) for word, ids in zip(words, token_ids(words), strict=True)} if words else {}
    alike: dict[int, list[str]] = {}
    for word in words:
        alike.setdefault(size[word], []).append(word)
    random = np.random.default_rng(0)

    def exchange(row: Sequence[str]) -> str:
        choices = [alike[size[word]] for word in row]
        return " ".join(words[int(random.integers(len(words)))] for words in choices)

    return lambda: [exchange(rows[int(index)]) for index in random.permutation(len(rows))]
