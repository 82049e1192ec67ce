"""Joining: the second text variant, a guess that joins split words and respells leetspeak.

A guess may be wrong, so both text variants are scored. A guess must end in a known word, from the tokenizer's
vocabulary or the training messages, except for long words with repeated letters. Addresses are never changed. Only
ASCII letters are handled: the first variant is already folded.
"""

import re
from collections.abc import Callable, Iterator
from itertools import groupby, islice, product
from typing import NamedTuple

from spam_edge.text.normalization.tables import FREQUENT, character_class

_DOMAINS = "com|net|org|info|biz|co|uk|tv|me|mobi|ly|gl|eu|us|in|sg|au|de|ru|cn|io|app|xyz|top|link|click|online"
_ADDRESS = re.compile(rf"(?i)https?:|www\.|@\w+\.|\w\.(?:{_DOMAINS})\b|/\w")
_LEET = {"4": "a", "@": "a", "3": "e", "1": "il", "!": "i", "0": "o", "5": "s", "$": "s", "7": "t", "8": "b", "9": "g"}
_LEET |= {"|": "li", "+": "t"}
_GUESSES = 16
"""Maximum number of readings of one token: the digit 1 may be an i or an l."""
_SHORTEST = 4
"""Minimum length of a guess; shorter ones match a word by chance."""
_SHORTEST_WORD = 3
_LONG = 6
"""Length from which a word with repeated letters is shortened even if unknown."""
_LONGEST_WORD = 20

_DEFANGED = re.compile(r"(?i)\s?[\[({]\s*(?:\.|dot)\s*[\])}]\s*")
_SPELT_DOT = re.compile(rf"(?i)(?<=\w)\s+dot\s+(?=(?:{_DOMAINS})\b)")
_SCHEME = re.compile(r"(?i)\bh(?:xx|\*\*)p(s?)\s*(?::|\[:\])\s*//\s*")
_SPACED = re.compile(r"(?<![^\W_])[a-zA-Z]([ _.\-*])[a-zA-Z](?:\1[a-zA-Z])+(?![^\W_])")
# The lookbehinds prevent quadratic rescanning of a long run from each of its characters.
_SPLIT = re.compile(r"(?<![^\W\d_])[a-zA-Z]++(?:[._*~^|\-][a-zA-Z]++)+(?![^\W\d_])")
_SIGN = rf"[^\x00-\x7f\s\u2026{character_class(FREQUENT)}]"  # the text library handles the others by itself
_STREWN = re.compile(rf"(?<![a-zA-Z0-9]|{_SIGN}){_SIGN}*+[a-zA-Z](?:{_SIGN}++[a-zA-Z])++{_SIGN}*+(?![a-zA-Z0-9])")
_LETTERS = re.compile(r"[a-zA-Z]+")
_LEET_TOKEN = re.compile(r"(?<![a-zA-Z0-9@$!|+])[0-9@$!|+]*+[a-zA-Z][a-zA-Z0-9@$!|+]*+")
_INNER = re.compile(r"[a-zA-Z][0-9@$!|+][a-zA-Z]")
_AMOUNT = re.compile(r"\d+[a-zA-Z]{1,2}|[a-zA-Z]\d{1,2}")
_REPEATED = re.compile(r"([a-zA-Z])\1\1+")
_TWICE = re.compile(r"([a-zA-Z])\1")
_TOKEN = re.compile(r"\S+")
_PUNCTUATION = ".,;:!?"
_WORDS_OF_ONE_LETTER = ("", "a", "i", "A", "I")
_MOST_FRAGMENTS = 8
_TORN = 2
"""Minimum sum of fragment weights to join. One single letter is below it: people write "u see", "time n place"."""
_REMEMBERED = 8_000
"""Maximum number of cached words, about two megabytes. More of them do not make a stream of messages faster."""
_LONGEST_REMEMBERED = 64
_SYMBOLS = frozenset("*~^|_")
"""Separators that ordinary text does not have between letters; they allow shorter guesses."""


_ASCII_LETTERS = bytes(code for code in range(128) if chr(code).isalpha())  # the module string imports slowly
_SHAPES = bytes.maketrans(_ASCII_LETTERS + b"_.-*", b"a" * len(_ASCII_LETTERS) + b"....")
"""Maps ASCII characters to classes; a substring search on classes is many times faster than a regular expression."""


class _Word(NamedTuple):
    """One word of a text.

    Attributes:
        text: the word as written.
        letters: the word without trailing punctuation; empty if it has anything but letters.
        once: ``letters`` with each run of one letter reduced to one.
        torn: weight as a fragment: 0 for a known word, 1 for a single letter, else 2.
        respelt: the guess for this word alone.
    """

    text: str
    letters: str
    once: str
    torn: int
    respelt: str


class Joiner:
    """Joins and respells the words of one vocabulary.

    Args:
        is_word: returns whether a lower-case word is known.
        emoji: characters that are removed inside words.
    """

    def __init__(self, is_word: Callable[[str], bool], emoji: frozenset[str] = frozenset()) -> None:
        self._vocabulary = is_word
        self._seen: dict[str, _Word] = {}
        inside = f"(?<=[^\\W\\d_])[{character_class(emoji)}]+(?=[^\\W\\d_])"
        self._inside_word = re.compile(inside) if emoji else None

    def join(self, text: str) -> str:
        """Return the second variant of a folded text, usually the text itself."""
        text = _refang(self._inside_word.sub("", text) if self._inside_word else text)
        if _may_be_spaced(_shape(text)):
            text = _SPACED.sub(self._join_letters, text)
        if not text.isascii():
            text = _STREWN.sub(self._join_strewn, text)
        words = [self._seen.get(word) or self._look_at(word) for word in text.split(" ")]
        if sum([word.torn for word in words]) < _TORN:
            return " ".join([word.respelt for word in words])
        return " ".join(self._join_fragments(words))

    def _look_at(self, text: str) -> _Word:
        """Analyse a word and cache the result: most words recur across messages."""
        letters = text.rstrip(_PUNCTUATION)
        if not (letters.isascii() and letters.isalpha()):
            letters = ""
        known = letters in _WORDS_OF_ONE_LETTER if len(letters) < 2 else self._vocabulary(letters.lower())
        respelt = text if letters and known else _TOKEN.sub(self._respell, text)
        word = _Word(text, letters, _squeezed(letters), 0 if known else min(len(letters), _TORN), respelt)
        if len(text) <= _LONGEST_REMEMBERED:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            self._seen[text] = word
        return word

    def _join_fragments(self, words: list[_Word]) -> Iterator[str]:
        """Yield the words, with adjacent fragments joined where they form a known word."""
        done = at = 0
        for torn in [index for index, word in enumerate(words) if word.torn]:
            at = max(at, _first_beside(words, torn))
            while at <= torn:
                end, text = self._longest_join(words, at)
                if text:
                    yield from [word.respelt for word in words[done:at]]
                    yield text
                    done = end
                at = max(at + 1, done)
        yield from [word.respelt for word in words[done:]]

    def _longest_join(self, words: list[_Word], at: int) -> tuple[int, str]:
        """Return the end of the longest join that starts at ``at`` and its text, empty if none."""
        found = at, ""
        letters, once, torn = "", "", 0
        for end, word in enumerate(words[at : at + _MOST_FRAGMENTS], start=at + 1):
            letters += word.letters
            once += word.once.removeprefix(once[-1:])
            if not word.letters or len(letters) > _LONGEST_WORD:
                break
            torn += word.torn
            if torn >= _TORN and end > at + 1 and (spelt := self._known_spelling(letters, once)):
                found = end, spelt + word.text[len(word.letters) :]
            if word.text != word.letters:
                break
        return found

    def _known_spelling(self, word: str, once: str) -> str | None:
        """Return the known word that equals this one up to repeated letters, or None."""
        if len(word) < _SHORTEST:
            return None
        if self._is_word(word.lower()):
            return word
        if len(once) == len(word):
            return None
        twice = _REPEATED.sub(r"\1\1", word) if _REPEATED.search(word) else word
        if twice != word and self._is_word(twice.lower()):
            return twice
        return once if self._is_word(once.lower()) else None

    def _respell(self, match: re.Match[str]) -> str:
        token = match[0]
        if _ADDRESS.search(token):
            return token
        token = _SPLIT.sub(self._join_pieces, token)
        token = _LEET_TOKEN.sub(self._read_leet, token)
        return _LETTERS.sub(self._squeeze, token) if _TWICE.search(token) else token

    def _is_word(self, word: str) -> bool:
        return _SHORTEST_WORD <= len(word) <= _LONGEST_WORD and self._vocabulary(word)

    def _join_letters(self, match: re.Match[str]) -> str:
        letters = match[0].replace(match[1], "")
        return " ".join(self._segment(letters)) or match[0]

    def _segment(self, letters: str) -> list[str]:
        """Segment letters into the fewest known words of at least three letters; empty if impossible."""
        best = {0: (0, 0)}  # end of the last word -> number of words, start of the last word
        for end in range(_SHORTEST_WORD, len(letters) + 1):
            starts = range(max(0, end - _LONGEST_WORD), end - _SHORTEST_WORD + 1)
            ways = [(best[at][0] + 1, at) for at in starts if at in best and self._is_word(letters[at:end].lower())]
            if ways:
                best[end] = min(ways)
        words: list[str] = []
        end = len(letters)
        while end in best and end:
            start = best[end][1]
            words.append(letters[start:end])
            end = start
        return words[::-1]

    def _join_strewn(self, match: re.Match[str]) -> str:
        """Join single letters with signs or marks beyond ASCII between them, if they are one word."""
        joined = "".join(_LETTERS.findall(match[0]))
        may_be_joined = len(joined) >= _SHORTEST and self._is_word(joined.lower())
        return joined if may_be_joined and all(map(_is_no_letter, match[0])) else match[0]

    def _join_pieces(self, match: re.Match[str]) -> str:
        joined = "".join(_LETTERS.findall(match[0]))
        shortest = _SHORTEST if _SYMBOLS.isdisjoint(match[0]) else _SHORTEST_WORD
        return joined if len(joined) >= shortest and self._is_word(joined.lower()) else match[0]

    def _read_leet(self, match: re.Match[str]) -> str:
        token = match[0]
        core = token.rstrip("!|")
        long_enough = len(core) >= _SHORTEST or _INNER.fullmatch(core)
        if not long_enough or core.isalpha() or _AMOUNT.fullmatch(core):
            return token
        for reading in islice(_readings(core.lower()), _GUESSES):
            if self._is_word(reading):
                return reading + token[len(core) :]
        return token

    def _squeeze(self, match: re.Match[str]) -> str:
        word = match[0]
        squeezed = _REPEATED.sub(r"\1", word)
        return self._known_spelling(word, _squeezed(word)) or (squeezed if len(squeezed) >= _LONG else word)


def _refang(text: str) -> str:
    """Restore the dots and schemes of defanged addresses."""
    lower = text.lower()
    if "hxxp" in lower or "h**p" in lower:
        text = _SCHEME.sub(r"http\1://", text)
    if "dot" in lower:
        text = _SPELT_DOT.sub(".", text)
    if "[" in text or "(" in text or "{" in text:
        text = _DEFANGED.sub(".", text)
    return text


def _is_no_letter(character: str) -> bool:
    """Return whether a character is ASCII, or a sign, mark, modifier letter or no character at all."""
    from unicodedata import category  # noqa: PLC0415 - ordinary text does not need it

    return character.isascii() or category(character) == "Lm" or category(character)[0] not in "LN"


def _squeezed(word: str) -> str:
    return "".join([letter for letter, _ in groupby(word)]) if _TWICE.search(word) else word


def _first_beside(words: list[_Word], torn: int) -> int:
    """Return the index of the first word that can be joined with the fragment at ``torn``."""
    first, letters = torn, len(words[torn].letters)
    while first > max(0, torn - _MOST_FRAGMENTS + 1) and (before := words[first - 1]).letters == before.text:
        letters += len(before.letters)
        if not before.letters or letters > _LONGEST_WORD:
            break
        first -= 1
    return first


def _shape(text: str) -> bytes:
    """Return the class of each character, one byte per character."""
    return text.encode("ascii", "replace").translate(_SHAPES)


def _may_be_spaced(shape: bytes) -> bool:
    """Return whether ``_SPACED`` can match; false positives are possible."""
    return b"a a a" in shape or b"a.a.a" in shape


def _readings(token: str) -> Iterator[str]:
    return map("".join, product(*(_LEET.get(character, character) for character in token)))
