"""Text to token ids, exactly as in training: same tokenizer file, truncation from the manifest."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from spam_edge.boundaries import boundary_pattern
from spam_edge.errors import BundleIntegrityError, InputError

_CHARACTERS_PER_TOKEN = 8
"""About twice as many as messages have: a beginning of so many characters per token is nearly always enough."""
_GROWTH = 4
"""Each further attempt takes so many times more: all of them together cost a third more than the last one."""


@dataclass(frozen=True, slots=True)
class TokenIds:
    """One tokenised message: its ids, [CLS] and [SEP] included, and whether its end was cut off."""

    ids: list[int]
    truncated: bool


class TextEncoder:
    """A ``tokenizer.json`` whose own truncation and padding are replaced by what the manifest says.

    Of a long text only as much is tokenised as the model reads; the ids are those of the whole text all the same.
    """

    def __init__(self, path: Path, *, max_length: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise BundleIntegrityError(f"{path} is no tokenizer ({error}); export the bundle again") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)
        self._boundary = boundary_pattern(self._tokenizer)
        self._beginning = max_length * _CHARACTERS_PER_TOKEN

    def encode(self, texts: Sequence[str]) -> list[TokenIds]:
        """Tokenise messages; an empty one becomes [CLS] [SEP].

        Raises:
            InputError: an element is no string, or no valid Unicode (a lone surrogate).
        """
        check_texts(texts)
        return self._encode(texts, self._beginning)

    def is_word(self, word: str) -> bool:
        """Whether the vocabulary has a word, in lower case, as one token."""
        return self._tokenizer.token_to_id(word) is not None

    def _encode(self, texts: Sequence[str], size: int) -> list[TokenIds]:
        """Tokenise the first ``size`` characters or a few more, and again with more where these are too few."""
        beginnings = [text if len(text) <= size else text[: self._cut(text, size)] for text in texts]
        encodings = self._tokenizer.encode_batch_fast(beginnings)
        rows = [TokenIds(encoding.ids, bool(encoding.overflowing)) for encoding in encodings]
        # A beginning that is too long already decides; one that fits does not: how much of the rest vanishes, such as
        # whitespace, is known only at its end.
        undecided = [i for i, row in enumerate(rows) if not row.truncated and len(beginnings[i]) < len(texts[i])]
        if undecided:
            longer = self._encode([texts[index] for index in undecided], size * _GROWTH)
            for index, row in zip(undecided, longer, strict=True):
                rows[index] = row
        return rows

    def _cut(self, text: str, size: int) -> int | None:
        """Return where the text may be cut after ``size`` characters; None: nowhere, take all of it."""
        found = self._boundary.search(text, size) if self._boundary else None
        return found.start() if found else None


def check_texts(texts: Sequence[str]) -> None:
    """Refuse what is no list of messages.

    Raises:
        InputError: see :meth:`TextEncoder.encode`.
    """
    if isinstance(texts, str):
        raise InputError("a list of messages is expected, not one string; use classify() for one message")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"message {index} is {type(text).__name__}, not str; convert it or leave it out")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InputError(
                    f"message {index} is no valid Unicode: lone surrogate at character {error.start}; "
                    "decode the input again with its real encoding"
                ) from error
