"""Messages to measure with: all different, because the same message twice in a call may be scored once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from spam_edge.errors import InputError
from spam_edge.records import WINDOW, ReadOptions, display_name, read_windows

TokenIdsOf = Callable[[Sequence[str]], list[list[int]]]
"""Token ids by message, special tokens included; see :meth:`spam_edge.classifier.SpamClassifier.token_ids`."""

_GOLDEN_RATIO = 0.618  # its multiples, whole numbers cut off, are spread evenly from 0 to 1 however many there are


@dataclass(frozen=True, slots=True)
class Workload:
    """Messages that differ from each other in their token ids, shortest first.

    Attributes:
        texts: the messages, as many as ``spam-edge classify`` takes at a time, or fewer.
        tokens: number of tokens of each, special tokens included.
        given: how many different messages it was made from; the others are repeats with other words.
    """

    texts: Sequence[str]
    tokens: Sequence[int]
    given: int

    @classmethod
    def build(cls, texts: Sequence[str], token_ids: TokenIdsOf, *, size: int = WINDOW) -> Self:
        """Take up to ``size`` different messages; where there are fewer, repeat them with other words.

        A repeat has in the place of each word one of as many tokens from the same messages, so that it is nonsense of
        the same length. A message that cannot be told from its repeats, such as an empty one, is not repeated.

        Raises:
            InputError: there are no messages.
        """
        if not texts:
            raise InputError("there are no messages to measure with")
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
        """Mean number of tokens of a message."""
        return sum(self.tokens) / len(self.tokens)

    def call(self, step: int, number: int) -> tuple[Sequence[str], float]:
        """Return every ``step``-th message, and how many of mean length they amount to.

        Args:
            step: 1 for all messages, 2 for half of them, ...; at most the number of messages.
            number: of the call: successive calls begin one message further.
        """
        chosen = slice(number % step, None, step)
        return self.texts[chosen], sum(self.tokens[chosen]) / self.mean_tokens

    def singles(self, count: int, number: int) -> list[str]:
        """Return ``count`` messages, short to long, evenly from all; other ones for another ``number``."""
        places = (np.arange(count) + _GOLDEN_RATIO * number % 1) * len(self.texts) / count
        return [self.texts[int(place)] for place in places]


def read_texts(path: Path, reading: ReadOptions, *, limit: int = WINDOW) -> tuple[list[str], int]:
    """Return the first messages of a file, or of standard input for ``-``, and how many rows could not be read.

    Raises:
        InputError: it cannot be opened or read, or has no messages.
    """
    texts: list[str] = []
    bad = 0
    for window in read_windows(path, reading):
        texts += [message.text for message in window.messages]
        bad += len(window.bad)
        if len(texts) >= limit:
            break
    if not texts:
        raise InputError(f"{display_name(path)} has no messages to measure with")
    return texts[:limit], bad


def _repeater(texts: Sequence[str], token_ids: TokenIdsOf) -> Callable[[], list[str]]:
    """Return a function that returns all messages in another order and with other words each time, always the same."""
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
