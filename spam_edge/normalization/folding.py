"""The first view: what loses nothing a reader of English would miss.

The order is that in which the layers were put on: HTML entities, bytes of Windows-1252 taken for Latin-1, direction
marks and backspaces, compatibility forms, invisible characters, letters of other scripts, combining marks.
"""

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import prod

from spam_edge.normalization.tables import Tables, translator

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_UNESCAPES = 2
_REVERSED = re.compile("\u202e([^\u202c\n]*)(?:\u202c|(?=\n)|$)")
_ALL_MARKS = "".join(map(chr, range(0x300, 0x370)))
_MARKS = re.compile(f"[{_ALL_MARKS}]+")
_READINGS = 64
"""A word that may be read in more ways is not looked up."""
_WORD = re.compile(r"\w+")
_JOINERS = "\u200d\ufe0f"


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text, and whether something was folded that only a disguise has."""

    text: str
    disguised: bool


class Folder:
    """Folds texts with the tables of one bundle.

    Args:
        tables: the characters.
        is_word: whether a word in lower case is in the tokenizer's vocabulary; decides where a letter may be two.
    """

    def __init__(self, tables: Tables, is_word: Callable[[str], bool]) -> None:
        self._is_word = is_word
        self._readings = tables.confusable
        self._plain = translator(tables.plain)
        self._styled = translator(tables.styled)
        self._confusable = translator({character: letters[0] for character, letters in tables.confusable.items()})
        self._confusables = frozenset(tables.confusable)
        named = (tables.invisible, tables.plain, tables.styled, tables.confusable)
        self._folds = frozenset(_ALL_MARKS).union(*named)
        emoji = re.escape("".join(sorted(tables.emoji)))
        invisible = re.escape("".join(sorted(tables.invisible)))
        # What joins and colours emoji belongs to them.
        self._joined_emoji = re.compile(f"(?<=[{emoji}{_JOINERS}])[{_JOINERS}]+(?=[{emoji}]|\\W|$)") if emoji else None
        self._invisible = re.compile(f"[{invisible}]+") if invisible else re.compile(r"(?!)")
        self._inside_word = re.compile(f"(?<=\\w)[{invisible}]+(?=\\w)") if invisible else re.compile(r"(?!)")

    def fold(self, text: str) -> Folded:
        """Fold one text; folding what was folded changes nothing that the tokenizer would see."""
        if "&" in text:
            text = _unescape(text)
        text, moved = _undo_moves(text)
        if self._folds.isdisjoint(text):
            return Folded(text, moved)
        text = self._plain(text)
        styled = self._styled(text)
        seen, hidden = self._drop_invisible(styled)
        latin = self._fold_confusables(seen)
        bare, marked = _drop_marks(latin)
        disguised = moved or hidden or marked or styled != text or latin != seen
        return Folded(self._plain(bare), disguised)

    def _drop_invisible(self, text: str) -> tuple[str, bool]:
        if self._joined_emoji is not None:
            text = self._joined_emoji.sub("", text)
        hidden = self._inside_word.search(text) is not None
        return self._invisible.sub("", text), hidden

    def _fold_confusables(self, text: str) -> str:
        """Fold letters of other scripts in a mostly Latin message, in words that are mixed or look Latin altogether."""
        if self._confusables.isdisjoint(text) or not _is_mostly_latin(text, self._confusables):
            return text
        return _WORD.sub(self._fold_word, text)

    def _fold_word(self, match: re.Match[str]) -> str:
        word = match[0]
        foreign = [character for character in word if not character.isascii()]
        if not foreign or (len(foreign) == len(word) and not self._confusables.issuperset(foreign)):
            return word
        ways = prod(len(self._readings.get(character, " ")) for character in foreign)
        if 1 < ways <= _READINGS:
            for letters in product(*(self._readings.get(character, character) for character in word)):
                if self._is_word("".join(letters).lower()):
                    return "".join(letters)
        return self._confusable(word)


def _unescape(text: str) -> str:
    # Only with its semicolon: without it, "AT&T" and "rock&copyright" would turn into something else.
    for _ in range(_UNESCAPES):
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    return text


def _undo_moves(text: str) -> tuple[str, bool]:
    """Show what a reader sees: overridden runs the right way round, deleted characters gone."""
    moved = "\u202e" in text or "\b" in text
    if "\u202e" in text:
        text = _REVERSED.sub(lambda match: match[1][::-1], text)
    if "\b" in text:
        shown: list[str] = []
        for character in text:
            if character != "\b":
                shown.append(character)
            elif shown:
                shown.pop()
        text = "".join(shown)
    return text, moved


def _drop_marks(text: str) -> tuple[str, bool]:
    """Drop combining marks; those that make no letter of a language with what they stand on are a disguise."""
    if not _MARKS.search(text):
        return text, False
    composed = unicodedata.normalize("NFC", text)
    bare = _MARKS.sub("", composed)
    return bare, bare != composed


def _is_mostly_latin(text: str, confusables: frozenset[str]) -> bool:
    """Whether no more letters certainly belong to another script than are Latin."""
    letters = [character for character in text if character.isalpha()]
    ascii_letters = sum(map(str.isascii, letters))
    foreign = sum(not letter.isascii() and letter not in confusables for letter in letters)
    return ascii_letters >= foreign
