"""Folding: the first text variant, which keeps everything that an English reader sees.

Each round undoes these layers in order: HTML entities, Windows-1252 bytes decoded as Latin-1, direction marks and
backspaces, invisible characters, letters and signs by their shape, compatibility forms, letters of other scripts,
combining marks. Layers nested in another order take further rounds.
"""

import re
import unicodedata
from collections.abc import Callable
from html import unescape
from html.entities import html5
from itertools import product
from math import prod
from typing import NamedTuple

from spam_edge.text.normalization.tables import FREQUENT, MONEY, Tables, character_class, class_of_ranges

_ROUNDS = 8
"""Maximum number of rounds. Real disguises nest two or three layers; more is a denial-of-service attempt."""
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_REVERSED = re.compile("\u202e([^\u202c\n]*)(?:\u202c|(?=\n)|$)")
_MARKS = frozenset(map(chr, range(0x300, 0x370)))
_MARK = re.compile(f"[{character_class(_MARKS)}]+")
_WORD = re.compile(r"[^\W\d_]+")
_KEYCAP = re.compile("(?<=[0-9#*])\ufe0f?\u20e3")
_FLAG = re.compile("(?<![\U0001f1e6-\U0001f1ff])[\U0001f1e6-\U0001f1ff]{2}(?![\U0001f1e6-\U0001f1ff])")
_ASCII_LETTERS = frozenset(filter(str.isalpha, map(chr, range(128))))
_UNKNOWN = "\u3013"
"""U+3013 GETA MARK, the Japanese placeholder for a missing character. No English vocabulary contains it."""
_READINGS = 64
"""Maximum number of candidate readings of a word that are looked up in the vocabulary."""
_SHORTEST_READ = 3
"""Shortest word whose reading says something; shorter ones are units and formulas."""
_SCRIPTS = (
    "\u0370-\u03ff\u1f00-\u1fff",  # Greek
    "\u0400-\u052f\u1c80-\u1c8f\ua640-\ua69f",  # Cyrillic
    "\u0590-\u05ff",  # Hebrew
    "\u0e00-\u0e7f",  # Thai
    "\u03e2-\u03ef\u2c80-\u2cff",  # Coptic
    "\u1401-\u1574",  # Canadian syllabics of Cree and Inuktitut
)
"""Scripts that have letters in the table of shapes. A word of one of them may be real."""
_TAGS = "\U000e0000-\U000e007f"
_BLACK_FLAG = "\U0001f3f4"
"""The only emoji that tag characters belong to: they spell its region."""
_BETWEEN_NO_LETTERS = frozenset(
    map(chr, (*range(0x2061, 0x2065), *range(0x206A, 0x2070), *range(0xFFF9, 0xFFFC), *range(0x1D173, 0x1D17B)))
)
"""Invisible characters of formulas, notes and music, and obsolete ones. No script has them inside words."""
_NO_CHARACTERS = frozenset(
    map(
        chr,
        (
            *(*range(0xFDD0, 0xFDF0), *range(0xFFF0, 0xFFF9), *range(0xE01F0, 0xE1000)),
            *(plane + last for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF)),
        ),
    )
)
"""Noncharacters, and code points that Unicode reserves for invisible characters. No text has them."""
_EMOJI_LETTERS = "[\u2139\u24c2\U0001f170\U0001f171\U0001f17e\U0001f17f]{2,}+|(?:[\U0001f1e6-\U0001f1ff]{2}){2,}+"
"""Styled letters that may be adjacent emoji: information, metro, blood types and parking, or flags."""


class Folded(NamedTuple):
    """A folded text, and whether a fold was applied that only disguised text needs."""

    text: str
    disguised: bool


class Folder:
    """Folds texts with the tables of one bundle.

    Args:
        tables: the character tables.
        is_word: returns whether a lower-case word is known; selects among several readings of a confusable letter.
    """

    def __init__(self, tables: Tables, is_word: Callable[[str], bool]) -> None:
        self._is_word = is_word
        self._tables = tables
        first = {character: letters[0] for character, letters in tables.confusable.items()}
        self._plain, self._styled, self._confusable = map(
            str.maketrans, map(dict, (tables.plain, tables.styled, first))
        )
        self._latin = _ASCII_LETTERS | tables.confusable.keys()
        self._readings = {letter: letter for letter in _ASCII_LETTERS} | {
            character: letters
            for table in (tables.styled, tables.confusable, tables.shapes)
            for character, letters in table.items()
        }
        signs = character_class(character for character in tables.shapes if not character.isalpha())
        self._one_script = re.compile("|".join(f"[{script}{signs}]+" for script in _SCRIPTS))
        # The mark of an unknown word stands for letters: a rest of a word must not become one in a second pass.
        self._word_of_shapes = re.compile(f"(?:[^\\W\\d_]|[{signs}{_UNKNOWN}])++" if signs else r"(?!)")
        tables_of_folds = (tables.invisible, tables.plain, tables.styled, tables.confusable, tables.shapes)
        self._folds = _MARKS.union("\u20e3", _NO_CHARACTERS, *tables_of_folds)
        # Words of India and Tibet need these marks; a word of letters that look Latin does not.
        self._vowel_signs = frozenset(mark for mark in tables.invisible if unicodedata.category(mark) == "Mc")
        self._dropped = (tables.invisible | _NO_CHARACTERS) - self._vowel_signs
        styled, invisible = character_class(tables.styled), character_class(self._dropped)
        self._unchanged = self._pattern_of_unchanged(signs)
        # The vocabulary has single letters of untrained scripts, but the model never saw them.
        foreign = class_of_ranges(tables.foreign)
        whole_word = f"(?<![^\\W_])(?<![{foreign}])[{foreign}]++(?![^\\W_])"
        self._foreign_word = re.compile(whole_word if foreign else r"(?!)")
        # A single styled letter is a symbol, such as the blood-type and information emoji.
        self._styled_word = re.compile(f"[{styled}][{styled}\\w]|\\w[{styled}]")
        self._emoji_letters = re.compile(f"(?<![{styled}\\w])(?:{_EMOJI_LETTERS})(?![{styled}\\w])")
        self._invisible = re.compile(f"[{invisible}]+")
        vowel_signs, latin = character_class(self._vowel_signs), character_class(self._latin)
        signed_word = f"[{latin}]++(?:[{vowel_signs}]++[{latin}]++)++[{vowel_signs}]*+"
        self._signed_word = re.compile(signed_word if vowel_signs else r"(?!)")
        # Some other scripts use joiners inside words.
        near_ascii = f"(?<=[0-9A-Za-z])[{invisible}]+(?=\\w)|(?<=\\w)[{invisible}]+(?=[0-9A-Za-z])"
        in_words = f"|(?<=\\w)[{character_class((_BETWEEN_NO_LETTERS & tables.invisible) | _NO_CHARACTERS)}]+(?=\\w)"
        stray_tag = f"|(?<![{_BLACK_FLAG}{_TAGS}])[{_TAGS}]"
        self._hidden = re.compile(near_ascii + in_words + stray_tag)

    def fold(self, text: str) -> Folded:
        """Fold one text; idempotent."""
        if self._unchanged.fullmatch(text):
            return Folded(text, disguised=False)
        text, disguised = self._fold_layers(text)
        if not text.isascii():
            # Keep the length of the word: _fold_confusables counts these letters, and folding must be idempotent.
            text = self._foreign_word.sub(lambda match: _UNKNOWN * len(match[0]), text)
        return Folded(text, disguised)

    def _pattern_of_unchanged(self, signs: str) -> re.Pattern[str]:
        """Return a pattern of texts that no fold changes: most of those with prices, quotation marks or dashes.

        Args:
            signs: body of a class of the signs in the table of shapes. They are read only beside a letter or a sign.
        """
        tables = self._tables
        folds = (tables.invisible, tables.plain, tables.styled, tables.confusable)
        signs_left = [sign for sign in FREQUENT if not any(sign in fold for fold in folds)]
        if tables.foreign:
            foreign = re.compile(f"[{class_of_ranges(tables.foreign)}]")
            signs_left = [sign for sign in signs_left if not foreign.match(sign)]
        anywhere = character_class(sign for sign in signs_left if sign not in tables.shapes)
        alone = character_class(sign for sign in signs_left if sign in tables.shapes)
        ordinary = f"[\t\n\r -%'-~{anywhere}]*+"  # without ampersands
        price = f"(?:(?<![A-Za-z{signs}])[{alone}](?![A-Za-z{signs}]){ordinary})*+" if alone else ""
        return re.compile(ordinary + price)

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
        """Fold a text that exceeds the round limit, and remove the ampersands that could form further entities."""
        for _ in range(3):
            text = self._fold_once(text, self._folds)[0].replace("&", "")
        return text

    def _fold_once(self, text: str, found: frozenset[str]) -> tuple[str, bool]:
        if "&" in text:
            text = _unescape(text)
            found = self._folds.intersection(text)
        if found <= self._tables.plain.keys() and self._tables.shapes.keys().isdisjoint(found):
            for character in found:
                text = text.replace(character, self._tables.plain[character])
            return text, False
        text, moved = _undo_moves(text)
        text, hidden = self._drop_invisible(_spell_flags(_KEYCAP.sub("", text)))
        shaped = self._read_shapes(text)  # before a compatibility form or a lost ogonek gives another letter
        disguised = moved or hidden or shaped != text
        text, styled = self._unstyle(shaped.translate(self._plain))
        latin, confused = self._fold_confusables(text)
        bare, marked = _drop_marks(latin)
        return bare, disguised or styled or confused or marked

    def _drop_invisible(self, text: str) -> tuple[str, bool]:
        hidden = False
        if not self._dropped.isdisjoint(text):
            hidden = self._hidden.search(text) is not None
            text = self._invisible.sub("", text)
        if not self._vowel_signs.isdisjoint(text):
            text, signed_words = self._signed_word.subn(self._without_vowel_signs, text)
            hidden = hidden or signed_words > 0
        return text, hidden

    def _without_vowel_signs(self, match: re.Match[str]) -> str:
        return "".join(character for character in match[0] if character not in self._vowel_signs)

    def _unstyle(self, text: str) -> tuple[str, bool]:
        letters = text.translate(self._styled)
        if letters == text:
            return text, False
        return letters, self._styled_word.search(self._emoji_letters.sub(self._without_emoji, text)) is not None

    def _without_emoji(self, match: re.Match[str]) -> str:
        """Return adjacent emoji with letters only if they spell a word."""
        return match[0] if self._is_known(match[0].translate(self._styled)) else " "

    def _fold_confusables(self, text: str) -> tuple[str, bool]:
        """Fold confusable letters in words that mix scripts or look Latin throughout.

        A word with only one of these signs may be genuine. It is folded if the text has more letters in words with
        such signs than in words without.
        """
        if self._tables.confusable.keys().isdisjoint(text):
            return text, False
        words = [word for word in _WORD.findall(text) if not word.isascii()]
        foreign, doubtful = text.count(_UNKNOWN), 0
        for word in words:
            looks_latin = self._is_mixed(word) or self._latin.issuperset(word)
            foreign, doubtful = foreign + len(word) * (not looks_latin), doubtful + len(word) * looks_latin
        read = {word: self._fold_word(word, in_english=doubtful > foreign) for word in words}
        folded = _WORD.sub(lambda match: read.get(match[0], match[0]), text)
        return folded, folded != text and self._is_disguise([(word, read[word]) for word in words])

    def _is_disguise(self, words: list[tuple[str, str]]) -> bool:
        """Return whether any word mixes scripts, or most letters are in words that read as known ones.

        Real Russian and Greek words may look Latin throughout, and a few of them read as English words.

        Args:
            words: the words with letters beyond ASCII, and what they are read as.
        """
        if any(word != read and not _is_of_foreign_script(word) for word, read in words):
            return True
        known = sum(len(word) for word, read in words if word != read and self._is_known(read))
        return 2 * known > sum(len(word) for word, _ in words)

    def _is_known(self, word: str) -> bool:
        return len(word) >= _SHORTEST_READ and self._is_word(word.lower())

    def _fold_word(self, word: str, *, in_english: bool) -> str:
        signs = self._is_mixed(word) + self._latin.issuperset(word)
        return self._read(word) if signs + in_english >= 2 else word

    def _read(self, word: str) -> str:
        """Replace confusable letters; if one has several readings, prefer a known word."""
        letters = [self._tables.confusable.get(character, character) for character in word]
        ambiguous = any(len(several) > 1 for several in letters)
        return (ambiguous and self._known_reading(letters)) or word.translate(self._confusable)

    def _known_reading(self, letters: list[str]) -> str | None:
        """Return the first reading that is a known word, if there are few readings."""
        if prod(map(len, letters)) > _READINGS:
            return None
        return next((word for word in map("".join, product(*letters)) if self._is_word(word.lower())), None)

    def _read_shapes(self, text: str) -> str:
        """Read known words that are written with look-alikes of shape, such as Cyrillic ya for r or a franc sign for F.

        Such letters stand in many real words, so that more is asked than of confusable letters: the word has letters
        of several scripts, each can be read as an ASCII letter, and the result is known.
        """
        if self._tables.shapes.keys().isdisjoint(text):
            return text
        return self._word_of_shapes.sub(self._read_shape, text)

    def _read_shape(self, match: re.Match[str]) -> str:
        word = match[0]
        if len(word) < _SHORTEST_READ or self._tables.shapes.keys().isdisjoint(word):
            return word
        if self._one_script.fullmatch(word) or _is_amount(match):
            return word
        letters = [self._readings.get(character, "") for character in word]
        return (all(letters) and self._known_reading(letters)) or word

    @staticmethod
    def _is_mixed(word: str) -> bool:
        return not _ASCII_LETTERS.isdisjoint(word)


def _is_of_foreign_script(word: str) -> bool:
    """Return whether all letters are of one script that is not Latin."""
    scripts = {unicodedata.name(letter, "").split(" ", 1)[0] for letter in word}
    return len(scripts) == 1 and scripts != {"LATIN"}


def _is_amount(match: re.Match[str]) -> bool:
    """Return whether a sign at an end of the word belongs to an amount, as in ``GH₵5`` or ``5₱each``."""
    word, text = match[0], match.string
    if word[-1] in MONEY and (word[:-1].isascii() or text[match.end() : match.end() + 1].isdigit()):
        return True
    after_digit = text[max(0, match.start() - 1) : match.start()].isdigit()
    return after_digit and not (word[0].isalpha() and word[-1].isalpha())


def _unescape(text: str) -> str:
    # Require the whole name and the semicolon: otherwise "AT&T" and "rock&copyright;" would change.
    for _ in range(_ROUNDS):
        before, text = text, _ENTITY.sub(_character, text)
        if text == before:
            break
    return text


def _character(match: re.Match[str]) -> str:
    entity = match[0]
    return unescape(entity) if entity[1] == "#" else html5.get(entity[1:], entity)


def _undo_moves(text: str) -> tuple[str, bool]:
    """Reverse right-to-left overrides and apply backspaces, as a reader sees the text."""
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
    """Spell isolated pairs of regional indicators as country codes: they are flags, not disguised letters."""
    return _FLAG.sub(lambda match: f" {''.join(chr(ord(sign) - 0x1F1E6 + ord('a')) for sign in match[0])} ", text)


def _drop_marks(text: str) -> tuple[str, bool]:
    """Drop combining marks; marks that do not compose with their base letter (NFC) count as a disguise."""
    if _MARKS.isdisjoint(text):
        return text, False
    composed = unicodedata.normalize("NFC", text)
    bare = _MARK.sub("", composed)
    return bare, bare != composed
