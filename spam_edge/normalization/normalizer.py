"""Two views of a message: folded, which loses nothing, and joined, which guesses."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from spam_edge.normalization.folding import Folder
from spam_edge.normalization.joining import Joiner
from spam_edge.normalization.tables import NORMALIZER_NAME, VERSION, Tables, character_class, check_version

__all__ = ["NORMALIZER_NAME", "VERSION", "Normalizer", "Views"]

READS = 8192
"""Characters of a message that are normalised; what stands behind them stays as it is. The model reads far fewer."""
_SPECIAL = re.compile(r"\[(CLS|MASK|PAD|SEP|UNK)\]")
"""What a BERT tokenizer takes for its own marks wherever it stands, and nobody but somebody who knows that writes."""
_ORDINARY = re.compile("[\t\n\r -%'-~]*")
"""Text that folding leaves alone: printable ASCII without an ampersand."""


@dataclass(frozen=True, slots=True)
class Views:
    """What of a message is scored.

    Attributes:
        text: the first view.
        joined: the second view, where it differs from the first.
        disguised: characters were folded that ordinary text does not have.
    """

    text: str
    joined: str | None
    disguised: bool


class Normalizer:
    """Turns messages into views.

    Args:
        read_tables: called once, when a message needs the tables: plain ASCII with words of the vocabulary does not.
        is_word: whether a word in lower case is in the tokenizer's vocabulary.
    """

    def __init__(self, read_tables: Callable[[], Tables], is_word: Callable[[str], bool]) -> None:
        self._read_tables = read_tables
        self._vocabulary = is_word
        self._joiner = Joiner(self._is_word)

    @classmethod
    def open(cls, path: Path, is_word: Callable[[str], bool]) -> Self:
        """Use the ``normalizer.json`` at ``path``.

        Raises:
            BundleIntegrityError: it is missing, broken or of another version. What is wrong further down in it is found
                when a message needs it.
        """
        check_version(path)
        return cls(lambda: Tables.read(path), is_word)

    def views(self, text: str) -> Views:
        """Return what of a message is scored.

        Raises:
            BundleIntegrityError: the tables are needed and cannot be read.
        """
        text, rest = text[:READS], text[READS:]
        disguised = False
        if not _ORDINARY.fullmatch(text):
            text, disguised = self._folder.fold(text)
            if not text.isascii() and not self._tables.emoji.keys().isdisjoint(text):
                return self._views_with_emoji(text, rest, disguised)
        return _as_views(text, self._joiner.join(text), rest, disguised)

    def _views_with_emoji(self, text: str, rest: str, disguised: bool) -> Views:
        """Replace emoji, of which the tokenizer knows none, by their names; a row of the same one by one name."""
        emoji = self._tables.emoji
        first, second = (
            self._emoji.sub(lambda match: f" {emoji[match[1]]} ", view)
            for view in (text, self._joiner_around_emoji.join(text))
        )
        return _as_views(first, second, rest, disguised)

    def _is_word(self, word: str) -> bool:
        return self._vocabulary(word) or word in self._tables.words

    @cached_property
    def _tables(self) -> Tables:
        return self._read_tables()

    @cached_property
    def _folder(self) -> Folder:
        return Folder(self._tables, self._is_word)

    @cached_property
    def _joiner_around_emoji(self) -> Joiner:
        return Joiner(self._is_word, frozenset(self._tables.emoji))

    @cached_property
    def _emoji(self) -> re.Pattern[str]:
        return re.compile(f"([{character_class(self._tables.emoji)}])\\1*")


def _as_views(first: str, second: str, rest: str, disguised: bool) -> Views:
    text, joined = (_without_special_tokens(view + rest) for view in (first, second))
    return Views(text, joined if joined != text else None, disguised)


def _without_special_tokens(text: str) -> str:
    return _SPECIAL.sub(r"[ \1 ]", text) if "[" in text else text
