"""Text variants: one token row per message, and a second one if joining changes the text."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spam_edge.errors import BundleIntegrityError
from spam_edge.text.native import NativeEncoder, open_native_encoder
from spam_edge.text.normalization import Normalizer
from spam_edge.text.rows import TokenRows, merge
from spam_edge.text.tokenization import READS, TextEncoder, checked_texts


class EncodedVariants(NamedTuple):
    """Token rows of the text variants of n messages.

    Attributes:
        rows: n first variants, followed by the second variants.
        seconds: message index of each second variant.
        disguised: flag of each message, shape (n,), see :class:`spam_edge.text.normalization.TextVariants`.
    """

    rows: TokenRows
    seconds: NDArray[np.intp]
    disguised: NDArray[np.bool_]

    @property
    def first_rows(self) -> TokenRows:
        """The first variant of each message."""
        return self.rows.take(slice(len(self.disguised)))

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
    """Normalises and tokenises messages, with the text library where that supports tokenizer and message.

    Args:
        encoder: tokenises the other messages.
        normalizer: makes the text variants; None disables normalisation.
        threads: maximum number of threads of the text library.

    Raises:
        BundleIntegrityError: the text library does not support the tokenizer, and ``encoder`` cannot parse it.
    """

    def __init__(self, encoder: TextEncoder, normalizer: Normalizer | None, *, threads: int = 1) -> None:
        self._encoder = encoder
        self._normalizer = normalizer
        self._threads = threads
        self._native = self._open_native()
        if self._native is None:
            encoder.parse()
        elif normalizer:
            normalizer.look_up_with(self._native.knows)

    def encode(self, texts: Sequence[str]) -> EncodedVariants:
        """Return the token rows of messages.

        Raises:
            InputError: see :meth:`TextEncoder.encode`.
            BundleIntegrityError: see :meth:`Normalizer.variants`.
        """
        texts = checked_texts(texts)
        if self._normalizer is None:
            rows = self._tokenize(texts)
            return EncodedVariants(rows, np.empty(0, dtype=np.intp), np.zeros(len(rows), dtype=np.bool_))
        if self._native is None or not len(texts):
            return self._encode_variants(texts, self._normalizer)
        return self._encode_unchanged(texts, self._normalizer, self._native)

    def _encode_variants(self, texts: Sequence[str], normalizer: Normalizer) -> EncodedVariants:
        variants = [normalizer.variants(text[:READS]) for text in texts]
        seconds = [(index, variant.joined) for index, variant in enumerate(variants) if variant.joined is not None]
        rows = self._tokenize([variant.text for variant in variants] + [joined for _, joined in seconds])
        sources = [*texts, *(texts[index] for index, _ in seconds)]
        rows.truncated[[index for index, text in enumerate(sources) if len(text) > READS]] = True
        indices = np.array([index for index, _ in seconds], dtype=np.intp)
        return EncodedVariants(rows, indices, np.array([variant.disguised for variant in variants], dtype=np.bool_))

    def _encode_unchanged(self, texts: Sequence[str], normalizer: Normalizer, native: NativeEncoder) -> EncodedVariants:
        """Encode the messages that joining leaves unchanged with the text library, and the others as usual."""
        folded = list(texts)
        disguised = np.zeros(len(texts), dtype=np.bool_)
        for index in [index for index, text in enumerate(texts) if "&" in text or not text.isascii()]:
            folded[index], disguised[index] = native.fold(texts[index], normalizer)
        rows = native.encode(folded, joining=True)
        left = np.flatnonzero(rows.lengths == 0)
        if not len(left):
            return EncodedVariants(rows, left, disguised)
        others = self._encode_variants([texts[index] for index in left.tolist()], normalizer)
        disguised[left] = others.disguised
        return EncodedVariants(merge(rows, others.rows, left), left[others.seconds], disguised)

    def _tokenize(self, texts: Sequence[str]) -> TokenRows:
        if self._native is None or not len(texts):
            return TokenRows.of(self._encoder.encode(texts))
        rows = self._native.encode(texts, joining=False)
        left = np.flatnonzero(rows.lengths == 0)
        if not len(left):
            return rows
        return merge(rows, TokenRows.of(self._encoder.encode([texts[index] for index in left.tolist()])), left)

    def _open_native(self) -> NativeEncoder | None:
        try:
            words = self._normalizer.words if self._normalizer else ()
        except BundleIntegrityError:  # raised for the first message that needs the tables
            return None
        encoder = self._encoder
        return open_native_encoder(encoder.content, words, max_length=encoder.max_length, threads=self._threads)
