"""The normaliser: text variants of a message, folded (lossless) and joined (a guess)."""

import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from spam_edge.text.normalization.joining import Joiner
from spam_edge.text.normalization.tables import (
    NORMALIZER_NAME,
    VERSION,
    Tables,
    character_class,
    check_version,
    read_tables,
)

if TYPE_CHECKING:
    from spam_edge.text.normalization.folding import Folder

__all__ = ["NORMALIZER_NAME", "VERSION", "Normalizer", "TextVariants"]

READS = 8192
"""Number of leading characters that are normalised; the rest stays unchanged. The model reads far fewer."""
_SPECIAL = re.compile(r"\[(CLS|MASK|PAD|SEP|UNK)\]")
"""Special tokens, which a BERT tokenizer matches anywhere in a text; in a message they are an injection."""
_ORDINARY = re.compile("[\t\n\r -%'-~]*")
"""Text that folding leaves unchanged: printable ASCII and whitespace, without ampersands."""


class TextVariants(NamedTuple):
    """The text variants of a message that are scored.

    Attributes:
        text: the first variant, folded.
        joined: the second variant, a guess; None if it equals the first.
        disguised: characters were folded that ordinary text does not have.
    """

    text: str
    joined: str | None
    disguised: bool


class Normalizer:
    """Normalises messages to text variants.

    Args:
        parse_tables: parses the tables; called once, when they are first needed. ASCII text made of vocabulary words
            does not need them.
        is_word: returns whether a lower-case word is in the tokenizer's vocabulary.
    """

    def __init__(self, parse_tables: Callable[[], Tables], is_word: Callable[[str], bool]) -> None:
        self._parse_tables = parse_tables
        self._vocabulary = is_word
        self._knows: Callable[[str], bool] | None = None
        self._joiner = Joiner(self._is_word)

    @classmethod
    def open(cls, path: Path, is_word: Callable[[str], bool]) -> Self:
        """Open ``normalizer.json``; see :meth:`parse`.

        Raises:
            BundleIntegrityError: the file is missing, malformed or of an unsupported version.
        """
        return cls.parse(read_tables(path), path, is_word)

    @classmethod
    def parse(cls, content: bytes, path: Path, is_word: Callable[[str], bool]) -> Self:
        """Take the content of ``normalizer.json``; only its version is checked, the tables are parsed lazily.

        Raises:
            BundleIntegrityError: the content is malformed or of an unsupported version; errors quote the path.
        """
        check_version(content, path)
        return cls(lambda: Tables.parse(content, path), is_word)

    def look_up_with(self, knows: Callable[[str], bool]) -> None:
        """Look up words of ASCII letters and digits with a faster function.

        Args:
            knows: returns whether the vocabulary or :attr:`words` has a lower-case word.
        """
        self._knows = knows

    def variants(self, text: str) -> TextVariants:
        """Return the text variants of a message.

        Raises:
            BundleIntegrityError: the tables are needed but malformed.
        """
        text, rest = text[:READS], text[READS:]
        text, disguised = self.fold(text)
        if self.has_emoji(text):
            return self._variants_with_emoji(text, rest, disguised)
        return _as_variants(text, self._joiner.join(text), rest, disguised)

    def fold(self, text: str) -> tuple[str, bool]:
        """Return the folded text, of which :meth:`variants` joins words, and whether it was disguised.

        Args:
            text: a message of at most ``READS`` characters.

        Raises:
            BundleIntegrityError: see :meth:`variants`.
        """
        return self._folder.fold(text) if not _ORDINARY.fullmatch(text) else (text, False)

    def has_emoji(self, folded: str) -> bool:
        """Return whether a folded text has emoji, which :meth:`variants` replaces by their names."""
        return not folded.isascii() and not self._tables.emoji.keys().isdisjoint(folded)

    @property
    def words(self) -> frozenset[str]:
        """The known lower-case words beside the tokenizer's vocabulary.

        Raises:
            BundleIntegrityError: the tables are malformed.
        """
        return self._tables.words

    def _variants_with_emoji(self, text: str, rest: str, disguised: bool) -> TextVariants:
        """Replace each run of an emoji by its name once: the tokenizer knows no emoji."""
        emoji = self._tables.emoji
        first, second = (
            self._emoji.sub(lambda match: f" {emoji[match[1]]} ", variant)
            for variant in (text, self._joiner_around_emoji.join(text))
        )
        return _as_variants(first, second, rest, disguised)

    def _is_word(self, word: str) -> bool:
        if self._knows is not None and word.isascii() and word.isalnum():
            return self._knows(word)
        return self._vocabulary(word) or word in self._tables.words

    @cached_property
    def _tables(self) -> Tables:
        return self._parse_tables()

    @cached_property
    def _folder(self) -> "Folder":
        from spam_edge.text.normalization.folding import Folder  # noqa: PLC0415 - ordinary text needs no folding

        return Folder(self._tables, self._is_word)

    @cached_property
    def _joiner_around_emoji(self) -> Joiner:
        return Joiner(self._is_word, frozenset(self._tables.emoji))

    @cached_property
    def _emoji(self) -> re.Pattern[str]:
        return re.compile(f"([{character_class(self._tables.emoji)}])\\1*")


def _as_variants(first: str, second: str, rest: str, disguised: bool) -> TextVariants:
    text, joined = (_without_special_tokens(variant + rest) for variant in (first, second))
    return TextVariants(text, joined if joined != text else None, disguised)


def _without_special_tokens(text: str) -> str:
    return _SPECIAL.sub(r"[ \1 ]", text) if "[" in text else text
