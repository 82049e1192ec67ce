"""Messages to token rows: one for what a message says, and one more where it can be read in another way."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.normalization import Normalizer
from spam_edge.tokenization import TextEncoder, TokenIds, check_texts


@dataclass(frozen=True, slots=True)
class EncodedViews:
    """The rows of n messages.

    Attributes:
        rows: the first view of every message, then the second views of those that have one.
        seconds: the messages with a second view, in the order of these rows.
        disguised: n flags, see :class:`spam_edge.normalization.Views`.
    """

    rows: list[TokenIds]
    seconds: NDArray[np.intp]
    disguised: list[bool]

    @property
    def first_rows(self) -> list[TokenIds]:
        """The first view of every message."""
        return self.rows[: len(self.disguised)]

    def choose(self, values: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
        """Return for each message the row of the view with the higher value, the first where both are equal.

        Args:
            values: shape (rows,), what says how positive a row is.
        """
        count = len(self.disguised)
        chosen = np.arange(count)
        higher = values[count:] > values[self.seconds]
        chosen[self.seconds[higher]] = count + np.flatnonzero(higher)
        return chosen


class ViewEncoder:
    """Normalises and tokenises messages.

    Args:
        encoder: text to token ids.
        tables: ``normalizer.json``; None leaves messages as they are.
    """

    def __init__(self, encoder: TextEncoder, tables: Path | None) -> None:
        self._encoder = encoder
        self._normalizer = Normalizer.open(tables, encoder.is_word) if tables else None

    def encode(self, texts: Sequence[str]) -> EncodedViews:
        """Return the rows of messages.

        Raises:
            InputError: see :meth:`TextEncoder.encode`.
            BundleIntegrityError: see :meth:`Normalizer.views`.
        """
        if self._normalizer is None:
            rows = self._encoder.encode(texts)
            return EncodedViews(rows, np.empty(0, dtype=np.intp), [False] * len(rows))
        check_texts(texts)
        views = [self._normalizer.views(text) for text in texts]
        seconds = [(index, view.joined) for index, view in enumerate(views) if view.joined is not None]
        rows = self._encoder.encode([view.text for view in views] + [joined for _, joined in seconds])
        indices = np.array([index for index, _ in seconds], dtype=np.intp)
        return EncodedViews(rows, indices, [view.disguised for view in views])
