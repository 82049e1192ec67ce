"""Tokenisation as in training: the same tokenizer file, truncation from the manifest."""

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from spam_edge.errors import BundleIntegrityError, InputError
from spam_edge.resources import available_threads, can_start_threads

if TYPE_CHECKING:
    from tokenizers import Tokenizer

READS = 2**17
"""Number of leading characters of a message that are tokenised; the tokenizer takes about 200 bytes for each."""
_CHARACTERS_PER_TOKEN = 8
"""About twice the average of messages: a prefix of this many characters per token is nearly always enough."""
_AT_ONCE = 128
"""Number of texts that are tokenised at once: enough for all threads. The library needs some kilobytes for each."""
_PARALLELISM = "TOKENIZERS_PARALLELISM"
_PANIC = "PanicException"
_GROWTH = 4
"""Growth factor of the prefix per attempt: all attempts together cost a third more than the last one."""


class TokenIds(NamedTuple):
    """One tokenised message: its token ids, [CLS] and [SEP] included, and whether it was truncated."""

    ids: list[int]
    truncated: bool


class TextEncoder:
    """Tokenises with ``tokenizer.json``; truncation comes from the manifest, and padding is disabled.

    A long text is tokenised only as far as the model reads. The ids equal those of its first ``READS`` characters,
    truncated. A longer text counts as truncated.
    """

    def __init__(self, content: bytes, path: Path, *, max_length: int) -> None:
        """Take the content of ``tokenizer.json``, which is parsed when it is first needed; errors quote its path."""
        self._content = content
        self._path = path
        self._max_length = max_length
        self._beginning = max_length * _CHARACTERS_PER_TOKEN

    @property
    def content(self) -> bytes:
        """The content of ``tokenizer.json``."""
        return self._content

    @cached_property
    def tokenizer(self) -> "Tokenizer":
        """The tokenizer of the library.

        Raises:
            BundleIntegrityError: the content is not a tokenizer.
        """
        from tokenizers import Tokenizer  # noqa: PLC0415 - the text library needs none

        try:
            tokenizer = Tokenizer.from_buffer(self._content)
        except Exception as error:  # the library raises bare Exception
            raise BundleIntegrityError(
                f"{self._path} is not a valid tokenizer ({error}); export the bundle again"
            ) from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(self._max_length)
        return tokenizer

    def parse(self) -> None:
        """Parse the content now; raises as :attr:`tokenizer` does."""
        self.tokenizer  # noqa: B018

    @property
    def max_length(self) -> int:
        """Maximum number of tokens of a message, special tokens included."""
        return self._max_length

    def encode(self, texts: Sequence[str]) -> list[TokenIds]:
        """Tokenise messages; an empty one becomes [CLS] [SEP].

        Raises:
            InputError: an element is not a string or not valid Unicode (a lone surrogate).
            BundleIntegrityError: the content is not a tokenizer, or the tokenizer fails.
        """
        texts = checked_texts(texts)
        rows = self._encode([text[:READS] for text in texts], self._beginning)
        return [
            row if len(text) <= READS else row._replace(truncated=True) for text, row in zip(texts, rows, strict=True)
        ]

    def is_word(self, word: str) -> bool:
        """Return whether the vocabulary has a lower-case word as one token."""
        return self.tokenizer.token_to_id(word) is not None

    def _encode(self, texts: Sequence[str], size: int) -> list[TokenIds]:
        """Tokenise a prefix of about ``size`` characters, and longer ones until the result is certain."""
        beginnings = [text if len(text) <= size else text[: self._cut(text, size)] for text in texts]
        rows = [row for at in range(0, len(texts), _AT_ONCE) for row in self._tokenize(beginnings[at : at + _AT_ONCE])]
        # A truncated prefix is final. One that fits is not: the rest of the text may add tokens, or none (whitespace).
        undecided = [i for i, row in enumerate(rows) if not row.truncated and len(beginnings[i]) < len(texts[i])]
        if undecided:
            longer = self._encode([texts[index] for index in undecided], size * _GROWTH)
            for index, row in zip(undecided, longer, strict=True):
                rows[index] = row
        return rows

    def _tokenize(self, texts: Sequence[str]) -> list[TokenIds]:
        tokenizer = self.tokenizer
        _require_threads()
        try:
            encodings: list[Any] = tokenizer.encode_batch_fast(texts)
            return [TokenIds(encoding.ids, bool(encoding.overflowing)) for encoding in encodings]
        except BaseException as error:  # the library raises bare Exception, and its panics are no Exception
            if isinstance(error, Exception) or type(error).__name__ == _PANIC:
                raise BundleIntegrityError(
                    f"{self._path} fails on a message ({error}); export the bundle again"
                ) from error
            raise

    @cached_property
    def _boundary(self) -> re.Pattern[str] | None:
        from spam_edge.text.boundaries import boundary_pattern  # noqa: PLC0415 - imports tokenizers

        return boundary_pattern(self.tokenizer)

    def _cut(self, text: str, size: int) -> int | None:
        """Return the first boundary at or after ``size`` characters, or None if the whole text is needed."""
        found = self._boundary.search(text, size) if self._boundary else None
        return found.start() if found else None


@cache
def _require_threads() -> None:
    """Tell the library to use one thread if the system refuses those of its pool, without which it panics."""
    if _PARALLELISM not in os.environ and not can_start_threads(_pool_size()):
        os.environ[_PARALLELISM] = "false"


def _pool_size() -> int:
    chosen = os.environ.get("RAYON_NUM_THREADS", "")
    return int(chosen) if chosen.isdecimal() and chosen != "0" else available_threads()


def refuse_containers(texts: object) -> None:
    """Refuse what can be iterated, but not over its messages: a string, a mapping, a data frame.

    Raises:
        InputError: it is one of these.
    """
    if isinstance(texts, str):
        raise InputError("expected a sequence of messages, not a single string; use classify() for one message")
    if isinstance(texts, Mapping) or getattr(texts, "ndim", 1) != 1:
        raise InputError(f"expected a sequence of messages, not {type(texts).__name__}; choose its column of texts")


def checked_texts(texts: Sequence[str]) -> Sequence[str]:
    """Validate a sequence of messages, and return it as one that positions index: a pandas Series has other keys.

    Raises:
        InputError: see :meth:`TextEncoder.encode`.
    """
    refuse_containers(texts)
    if not (hasattr(texts, "__len__") and hasattr(texts, "__getitem__")):
        raise InputError(f"expected a sequence of messages, not {type(texts).__name__}; make a list of it")
    if not isinstance(texts, list | tuple):
        texts = list(texts)
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"message {index} is {type(text).__name__}, not str; convert or remove it")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InputError(
                    f"message {index} is not valid Unicode: lone surrogate at character {error.start}; "
                    "decode the input with its actual encoding"
                ) from error
    return texts
