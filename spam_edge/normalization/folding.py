"""The first view: what loses nothing a reader of English would miss.

The order is that in which the layers were put on: HTML entities, bytes of Windows-1252 taken for Latin-1, direction
marks and backspaces, compatibility forms, invisible characters, letters of other scripts, combining marks. What was
put on in another order comes off in a further round.
"""

import re
import unicodedata
from collections.abc import Callable
from html import unescape
from html.entities import html5
from itertools import product
from math import prod
from typing import NamedTuple

from spam_edge.normalization.tables import Tables, character_class, class_of_ranges

_ROUNDS = 8
"""Nobody hides a word deeper than two or three layers; only what is meant to keep the processor busy takes more."""
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_REVERSED = re.compile("\u202e([^\u202c\n]*)(?:\u202c|(?=\n)|$)")
_MARKS = frozenset(map(chr, range(0x300, 0x370)))
_MARK = re.compile(f"[{character_class(_MARKS)}]+")
_WORD = re.compile(r"[^\W\d_]+")
_KEYCAP = re.compile("(?<=[0-9#*])\ufe0f?\u20e3")
_FLAG = re.compile("(?<![\U0001f1e6-\U0001f1ff])[\U0001f1e6-\U0001f1ff]{2}(?![\U0001f1e6-\U0001f1ff])")
_ASCII_LETTERS = frozenset(filter(str.isalpha, map(chr, range(128))))
_UNKNOWN = "\u3013"
"""The mark that printers of Japanese set for a missing character: a word of it is in no vocabulary of English."""
_READINGS = 64
"""A word that may be read in more ways is not looked up."""


class Folded(NamedTuple):
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
        self._tables = tables
        first = {character: letters[0] for character, letters in tables.confusable.items()}
        self._plain, self._styled, self._confusable = map(
            str.maketrans, map(dict, (tables.plain, tables.styled, first))
        )
        self._latin = _ASCII_LETTERS | tables.confusable.keys()
        tables_of_folds = (tables.invisible, tables.plain, tables.styled, tables.confusable)
        self._folds = _MARKS.union("\u20e3", *tables_of_folds)
        styled, invisible = character_class(tables.styled), character_class(tables.invisible)
        # Of scripts that it was not trained on the tokenizer knows the letters alone, and the model nothing at all.
        foreign = class_of_ranges(tables.foreign)
        whole_word = f"(?<![^\\W_])(?<![{foreign}])[{foreign}]++(?![^\\W_])"
        self._foreign_word = re.compile(whole_word if foreign else r"(?!)")
        # By itself such a letter is a sign, like the blood types and the information desk among the emoji.
        self._styled_word = re.compile(f"[{styled}][{styled}\\w]|\\w[{styled}]")
        self._invisible = re.compile(f"[{invisible}]+")
        # Other scripts have joiners of their own inside words.
        self._hidden = re.compile(f"(?<=[0-9A-Za-z])[{invisible}]+(?=\\w)|(?<=\\w)[{invisible}]+(?=[0-9A-Za-z])")

    def fold(self, text: str) -> Folded:
        """Fold one text; a folded text is left as it is."""
        text, disguised = self._fold_layers(text)
        if not text.isascii():
            # As long as the word was, so that it weighs as much when the text is folded again.
            text = self._foreign_word.sub(lambda match: _UNKNOWN * len(match[0]), text)
        return Folded(text, disguised)

    def _fold_layers(self, text: str) -> Folded:
        disguised = False
        for _ in range(_ROUNDS):
            found = self._folds.intersection(text)
            if not found and "&" not in text:
                return Folded(text, disguised)
            before = text
            text, hidden = self._fold_once(text, found)
            disguised = disguised or hidden
            if text == before:
                return Folded(text, disguised)
        return Folded(self._flatten(text), disguised=True)

    def _flatten(self, text: str) -> str:
        """Fold what never comes to an end, without what further layers could be made of."""
        for _ in range(3):
            text = self._fold_once(text, self._folds)[0].replace("&", "")
        return text

    def _fold_once(self, text: str, found: frozenset[str]) -> tuple[str, bool]:
        if "&" in text:
            text = _unescape(text)
            found = self._folds.intersection(text)
        if found <= self._tables.plain.keys():
            for character in found:
                text = text.replace(character, self._tables.plain[character])
            return text, False
        text, moved = _undo_moves(text)
        text, hidden = self._drop_invisible(_spell_flags(_KEYCAP.sub("", text)))
        text, styled = self._unstyle(text.translate(self._plain))
        latin = self._fold_confusables(text)
        bare, marked = _drop_marks(latin)
        return bare, moved or hidden or styled or marked or latin != text

    def _drop_invisible(self, text: str) -> tuple[str, bool]:
        if self._tables.invisible.isdisjoint(text):
            return text, False
        return self._invisible.sub("", text), self._hidden.search(text) is not None

    def _unstyle(self, text: str) -> tuple[str, bool]:
        return text.translate(self._styled), self._styled_word.search(text) is not None

    def _fold_confusables(self, text: str) -> str:
        """Fold letters of other scripts that look Latin, in words that are mixed or look Latin altogether.

        A word of the latter kind may be a word of that script: it stays where more letters stand in words that are.
        """
        if self._tables.confusable.keys().isdisjoint(text):
            return text
        foreign, doubtful = text.count(_UNKNOWN), 0
        for word in _WORD.findall(text):
            if not word.isascii():
                looks_latin = self._is_mixed(word) or self._latin.issuperset(word)
                foreign, doubtful = foreign + len(word) * (not looks_latin), doubtful + len(word) * looks_latin
        return _WORD.sub(lambda match: self._fold_word(match[0], in_english=doubtful > foreign), text)

    def _fold_word(self, word: str, *, in_english: bool) -> str:
        if word.isascii():
            return word
        signs = self._is_mixed(word) + self._latin.issuperset(word)
        return self._read(word) if signs + in_english >= 2 else word

    def _read(self, word: str) -> str:
        """Replace letters that look like others; where one may be two, so that a word of the vocabulary comes out."""
        letters = [self._tables.confusable.get(character, character) for character in word]
        if 1 < prod(map(len, letters)) <= _READINGS:
            for reading in map("".join, product(*letters)):
                if self._is_word(reading.lower()):
                    return reading
        return word.translate(self._confusable)

    @staticmethod
    def _is_mixed(word: str) -> bool:
        return not _ASCII_LETTERS.isdisjoint(word)


def _unescape(text: str) -> str:
    # Only with its semicolon and whole: "AT&T" and "rock&copyright;" would turn into something else.
    for _ in range(_ROUNDS):
        before, text = text, _ENTITY.sub(_character, text)
        if text == before:
            break
    return text


def _character(match: re.Match[str]) -> str:
    entity = match[0]
    return unescape(entity) if entity[1] == "#" else html5.get(entity[1:], entity)


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


def _spell_flags(text: str) -> str:
    """Two regional indicators alone are a flag, not a word in disguise."""
    return _FLAG.sub(lambda match: f" {''.join(chr(ord(sign) - 0x1F1E6 + ord('a')) for sign in match[0])} ", text)


def _drop_marks(text: str) -> tuple[str, bool]:
    """Drop combining marks; those that make no letter of a language with what they stand on are a disguise."""
    if _MARKS.isdisjoint(text):
        return text, False
    composed = unicodedata.normalize("NFC", text)
    bare = _MARK.sub("", composed)
    return bare, bare != composed
