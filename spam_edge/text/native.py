"""The text library: tokenise folded messages in C, in several threads, and find those that joining leaves unchanged.

The library gives exactly the tokens of the tokenizers library, for printable ASCII with a few more signs. It says which
messages it does not handle. They take the general path, and so do all where the library is missing.
"""

import ctypes
import platform
import re
from collections.abc import Iterable, Sequence
from functools import cache, partial
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.text.normalization import Normalizer
from spam_edge.text.rows import TokenRows
from spam_edge.text.wordpiece import BertTokenizer, Vocabulary, parse_bert_tokenizer

FOLDER = Path(__file__).parents[1] / "native"
_READS = 8192
"""Characters of the longest message that is handled; must match ``native/text/joining.h``."""
_LEAST = 512
"""Minimum number of messages per thread: below, starting a thread takes longer than it saves."""
_MOST = 4096
"""Maximum number of messages per call, which bounds the memory for their token ids."""
_NOT_HANDLED = "\0"
"""Stands for a message that the library need not see: it does not handle control characters."""
_SIGNS = "£€₹₱"  # no punctuation for BERT; not changed by it
_MARKS = "‘’“”–—…•"  # noqa: RUF001 - punctuation for BERT
_STAND_INS = dict.fromkeys(range(0x80, 0xA0), _NOT_HANDLED)
"""Bytes of the frequent characters beyond ASCII; must match ``native/text/characters.c``."""
_STAND_INS |= {ord(sign): chr(0x80 + index) for index, sign in enumerate(_SIGNS)}
_STAND_INS |= {ord(mark): chr(0x90 + index) for index, mark in enumerate(_MARKS)}
_HANDLED = re.compile(f"[\t\n\r -~{_SIGNS}{_MARKS}]*")
_MINIMUM_LENGTH = 3
"""Minimum of ``max_length``: both special tokens and one more."""

_CHARACTERS = {ord(stand_in): code for code, stand_in in _STAND_INS.items() if stand_in != _NOT_HANDLED}
_STAND_INS_IN_C = (ctypes.c_uint32 * 32)(*(_CHARACTERS.get(byte, 0) for byte in range(0x80, 0xA0)))
_LEAST_ENTRY = 5
"""Minimum bytes of a word with its id in JSON."""

_Arrays = tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.bool_]]


class _Tables(ctypes.Structure):
    """``Tables`` of ``native/text/vocabulary.h``."""

    _fields_ = (
        ("words", ctypes.c_char_p),
        ("size", ctypes.c_size_t),
        ("ids", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
        ("slots", ctypes.c_void_p),
        ("tags", ctypes.c_void_p),
        ("slot_count", ctypes.c_size_t),
        ("longest", ctypes.c_size_t),
        ("longest_word", ctypes.c_size_t),
        ("max_length", ctypes.c_size_t),
        ("unknown", ctypes.c_int32),
        ("first", ctypes.c_int32),
        ("last", ctypes.c_int32),
    )


class NativeEncoder:
    """Tokenises messages in C; create it with :func:`open_native_encoder`.

    It is thread-safe and fork-safe: the tables are read-only, and threads live for one call.

    Args:
        library: the text library.
        tokenizer: the tokenizer.
        words: lower-case words that the normaliser knows beside its vocabulary.
        max_length: maximum tokens of a message, special tokens included.
        threads: maximum number of threads.

    Raises:
        ValueError: the words do not fit the library, such as one with a line feed.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        tokenizer: BertTokenizer,
        words: Iterable[str],
        *,
        max_length: int,
        threads: int,
    ) -> None:
        more = [*words]
        lines = "".join([f"{word}\n" for word in more])
        # The handler writes a backslash, which the library looks up in no longer word.
        self._words = tokenizer.vocabulary.words + lines.translate(_STAND_INS).encode("latin-1", "backslashreplace")
        self._ids = np.append(tokenizer.vocabulary.ids, np.full(len(more), -1, dtype=np.int32))
        self._slots = np.empty((1 << (len(self._ids) * 4 // 3).bit_length(), 2), dtype=np.int32)
        self._tags = np.empty(len(self._slots), dtype=np.uint8)
        self._tables = _Tables(
            words=self._words,
            size=len(self._words),
            ids=self._ids.ctypes.data,
            count=len(self._ids),
            slots=self._slots.ctypes.data,
            tags=self._tags.ctypes.data,
            slot_count=len(self._slots),
            longest_word=tokenizer.longest_word,
            max_length=max_length,
            unknown=tokenizer.unknown,
            first=tokenizer.first,
            last=tokenizer.last,
        )
        self._max_length = max_length
        self._threads = threads
        self._pointer = ctypes.byref(self._tables)
        self._encode, self._knows = library.SpamTextEncode, library.SpamTextKnows
        if library.SpamTextBuild(self._pointer):
            raise ValueError("a word contains a line feed, or the vocabulary has it twice")

    def encode(self, texts: Sequence[str], *, joining: bool) -> TokenRows:
        """Return the token rows of messages; a row of length 0 says that the message is not handled.

        Args:
            texts: messages, at least one.
            joining: leave out those that :class:`spam_edge.text.normalization.joining.Joiner` may change.
        """
        threads = max(1, min(self._threads, len(texts) // _LEAST))
        size = min(_MOST, max(1, -(-len(texts) // threads)))
        chunks = [texts[at : at + size] for at in range(0, len(texts), size)]
        parts = self._encode_all(chunks, joining, threads)
        ids, lengths, truncated = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return TokenRows.consecutive(ids, lengths, truncated)

    def knows(self, word: str) -> bool:
        """Return whether the tokenizer or the normaliser knows a word of lower-case ASCII letters and digits."""
        return bool(self._knows(self._pointer, word.encode(), len(word)))

    def fold(self, text: str, normalizer: Normalizer) -> tuple[str, bool]:
        """Fold a message for :meth:`encode`, and return whether it was disguised.

        A message that is not handled becomes one that is not either.

        Raises:
            BundleIntegrityError: see :meth:`Normalizer.variants`.
        """
        if len(text) > _READS:
            return _NOT_HANDLED, False
        folded, disguised = normalizer.fold(text)
        return (_NOT_HANDLED, False) if normalizer.has_emoji(folded) else (folded, disguised)

    def _encode_all(self, chunks: Sequence[Sequence[str]], joining: bool, threads: int) -> list[_Arrays]:
        if threads > 1:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - keeps start-up fast

            try:
                # Threads of one call survive no fork, and starting them takes a fraction of the call.
                with ThreadPoolExecutor(threads, "spam-edge-text") as pool:
                    return list(pool.map(self._encode_chunk, chunks, repeat(joining)))
            except RuntimeError:  # the system refuses threads
                self._threads = 1
        return [self._encode_chunk(chunk, joining) for chunk in chunks]

    def _encode_chunk(self, texts: Sequence[str], joining: bool) -> _Arrays:
        """Return the token ids of all rows, the length of each row, and whether it was truncated."""
        texts = [text if text.isascii() and len(text) <= _READS else _with_stand_ins(text) for text in texts]
        content = "".join(texts).encode("latin-1")
        # The lengths of what was joined: a subclass of str may define another, and the library relies on them.
        sizes = np.fromiter(map(str.__len__, texts), dtype=np.int64, count=len(texts))
        ids = np.empty(np.minimum(sizes + 2, self._max_length).sum(), dtype=np.int32)
        lengths = np.empty(len(texts), dtype=np.int32)
        truncated = np.empty(len(texts), dtype=np.bool_)
        used = self._encode(
            self._pointer, joining, content, sizes.ctypes.data, len(texts), ids.ctypes.data, len(ids),
            lengths.ctypes.data, truncated.ctypes.data,
        )  # fmt: skip
        return ids[:used].astype(np.int64), lengths.astype(np.intp), truncated


def open_native_encoder(content: bytes, words: Iterable[str], *, max_length: int, threads: int) -> NativeEncoder | None:
    """Open the text library for a tokenizer; None if the library is missing or does not support the tokenizer.

    Args:
        content: content of ``tokenizer.json``.
        words: see :class:`NativeEncoder`.
        max_length: see :class:`NativeEncoder`.
        threads: see :class:`NativeEncoder`.
    """
    library = _library(FOLDER / f"libspam_text_{platform.machine()}.so")
    if library is None or max_length < _MINIMUM_LENGTH:
        return None
    tokenizer = parse_bert_tokenizer(content, partial(_read_vocabulary, library))
    if tokenizer is None:
        return None
    try:
        return NativeEncoder(library, tokenizer, words, max_length=max_length, threads=threads)
    except (ValueError, TypeError):  # TypeError: a special token has another id than a number
        return None


def _read_vocabulary(library: ctypes.CDLL, content: bytes) -> tuple[Vocabulary, int] | None:
    """Read a vocabulary; see :data:`spam_edge.text.wordpiece.ReadVocabulary`."""
    words, ids = ctypes.create_string_buffer(len(content)), np.empty(len(content) // _LEAST_ENTRY, dtype=np.int32)
    size, count = ctypes.c_size_t(), ctypes.c_size_t()
    read = library.SpamTextRead(
        content, len(content), _STAND_INS_IN_C, words, ctypes.byref(size), ids.ctypes.data, ctypes.byref(count)
    )
    return (Vocabulary(words.raw[: size.value], ids[: count.value].copy()), read) if read else None


def _with_stand_ins(text: str) -> str:
    if len(text) > _READS or not _HANDLED.fullmatch(text):
        return _NOT_HANDLED
    return text.translate(_STAND_INS)


@cache
def _library(path: Path) -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(str(path))
        tables, pointer, size = ctypes.POINTER(_Tables), ctypes.c_void_p, ctypes.c_size_t
        library.SpamTextRead.argtypes = [ctypes.c_char_p, size, pointer, pointer, pointer, pointer, pointer]
        library.SpamTextRead.restype = size
        library.SpamTextBuild.argtypes = [tables]
        library.SpamTextKnows.argtypes = [tables, ctypes.c_char_p, size]
        arrays: list[Any] = [ctypes.c_char_p, pointer, size, pointer, size, pointer, pointer]
        library.SpamTextEncode.argtypes = [tables, ctypes.c_int, *arrays]
        library.SpamTextEncode.restype = size
    except (OSError, AttributeError):  # missing, for another system, or of another version
        return None
    return library
