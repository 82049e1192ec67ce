"""Text variants: one token row per message, and a second one if joining changes the text."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spam_edge.text.normalization import Normalizer
from spam_edge.text.tokenization import READS, TextEncoder, TokenIds, check_texts, mark_unread


class EncodedVariants(NamedTuple):
    """Token rows of the text variants of n messages.

    Attributes:
        rows: n first variants, followed by the second variants.
        seconds: message index of each second variant.
        disguised: n flags, see :class:`spam_edge.text.normalization.TextVariants`.
    """

    rows: list[TokenIds]
    seconds: NDArray[np.intp]
    disguised: list[bool]

    @property
    def first_rows(self) -> list[TokenIds]:
        """The first variant of each message."""
        return self.rows[: len(self.disguised)]

    def choose(self, values: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
        """Return the row index of each message's best variant, shape (n,); the first variant wins ties.

        Args:
            values: logit margin or score of each row, shape (rows,).
        """
        count = len(self.disguised)
        chosen = np.arange(count)
        higher = values[count:] > values[self.seconds]
        chosen[self.seconds[higher]] = count + np.flatnonzero(higher)
        return chosen


class VariantEncoder:
    """Normalises and tokenises messages.

    Args:
        encoder: tokenises text.
        normalizer: makes the text variants; None disables normalisation.
    """

    def __init__(self, encoder: TextEncoder, normalizer: Normalizer | None) -> None:
        self._encoder = encoder
        self._normalizer = normalizer

    def encode(self, texts: Sequence[str]) -> EncodedVariants:
        """Return the token rows of messages.

        Raises:
            InputError: see :meth:`TextEncoder.encode`.
            BundleIntegrityError: see :meth:`Normalizer.variants`.
        """
        if self._normalizer is None:
            rows = self._encoder.encode(texts)
            return EncodedVariants(rows, np.empty(0, dtype=np.intp), [False] * len(rows))
        check_texts(texts)
        variants = [self._normalizer.variants(text[:READS]) for text in texts]
        seconds = [(index, variant.joined) for index, variant in enumerate(variants) if variant.joined is not None]
        rows = self._encoder.encode([variant.text for variant in variants] + [joined for _, joined in seconds])
        sources = [*texts, *(texts[index] for index, _ in seconds)]
        indices = np.array([index for index, _ in seconds], dtype=np.intp)
        return EncodedVariants(mark_unread(sources, rows), indices, [variant.disguised for variant in variants])
