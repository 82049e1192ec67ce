"""The second view: a guess at what was torn apart or spelt with digits.

Each rule may be wrong, so that the first view stays and both are scored. A guess counts only where it ends in a word of
the tokenizer's vocabulary, but for long words with repeated letters, and never inside an address. Letters are those of
ASCII, to which the first view is folded.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice, product

from spam_edge.normalization.tables import character_class

_DOMAINS = "com|net|org|info|biz|co|uk|tv|me|mobi|ly|gl|eu|us|in|sg|au|de|ru|cn|io|app|xyz|top|link|click|online"
_ADDRESS = re.compile(rf"(?i)https?:|www\.|@\w+\.|\w\.(?:{_DOMAINS})\b|/\w")
_LEET = {"4": "a", "@": "a", "3": "e", "1": "il", "!": "i", "0": "o", "5": "s", "$": "s", "7": "t", "8": "b", "9": "g"}
_LEET |= {"|": "li"}
_GUESSES = 16
"""At most so many readings of one token: a digit one may be an i or an l."""
_SHORTEST = 4
"""Shorter guesses hit a word too easily."""
_SHORTEST_WORD = 3
_LONG = 6
"""A word so long has few repeated letters by chance, be it known or not."""
_LONGEST_WORD = 20

_DEFANGED = re.compile(r"(?i)\s?[\[({]\s*(?:\.|dot)\s*[\])}]\s*")
_SPELT_DOT = re.compile(rf"(?i)(?<=\w)\s+dot\s+(?=(?:{_DOMAINS})\b)")
_SCHEME = re.compile(r"(?i)\bh(?:xx|\*\*)p(s?)\s*(?::|\[:\])\s*//\s*")
_SPACED = re.compile(r"(?<![^\W_])[a-zA-Z]([ _.\-*])[a-zA-Z](?:\1[a-zA-Z])+(?![^\W_])")
# The lookbehinds keep a long run from being read again from each of its characters.
_SPLIT = re.compile(r"(?<![^\W\d_])[a-zA-Z]++(?:[._*~^|\-][a-zA-Z]++)+(?![^\W\d_])")
_LETTERS = re.compile(r"[a-zA-Z]+")
_LEET_TOKEN = re.compile(r"(?<![a-zA-Z0-9@$!|])[0-9@$!|]*+[a-zA-Z][a-zA-Z0-9@$!|]*+")
_INNER = re.compile(r"[a-zA-Z][0-9@$!|][a-zA-Z]")
_AMOUNT = re.compile(r"\d+[a-zA-Z]{1,2}|[a-zA-Z]\d+")
_REPEATED = re.compile(r"([a-zA-Z])\1\1+")
_TOKEN = re.compile(r"\S+")


def _shape_of(character: str) -> str:
    if character.isalpha():
        return "a"
    if character in "0123456789@$":
        return "1"
    return "." if character in "._*~^-" else character if character in " !|" else ","


_SHAPES = "".join(map(_shape_of, map(chr, range(128)))).encode().ljust(256, b",")
"""Classes of ASCII characters. Strings of a few letters are searched many times faster than by patterns."""


class Joiner:
    """Joins and respells the words of one vocabulary.

    Args:
        is_word: whether a word in lower case is in the vocabulary.
        emoji: characters that tear a word apart when they stand inside it.
    """

    def __init__(self, is_word: Callable[[str], bool], emoji: frozenset[str] = frozenset()) -> None:
        self._vocabulary = is_word
        inside = f"(?<=[^\\W\\d_])[{character_class(emoji)}]+(?=[^\\W\\d_])"
        self._inside_word = re.compile(inside) if emoji else None

    def join(self, text: str) -> str:
        """Return the second view of a folded text; most often the text itself."""
        text = _refang(self._inside_word.sub("", text) if self._inside_word else text)
        if _may_be_spaced(_shape(text)):
            text = _SPACED.sub(self._join_letters, text)
        thrice = _REPEATED.search(text) is not None
        if thrice or _may_be_odd(_shape(text)):
            words = zip(text.split(" "), _shape(text).split(b" "), strict=True)
            text = " ".join(
                [_TOKEN.sub(self._respell, word) if thrice or _may_be_odd(shape) else word for word, shape in words]
            )
        return text

    def _respell(self, match: re.Match[str]) -> str:
        token = match[0]
        if _ADDRESS.search(token):
            return token
        token = _SPLIT.sub(self._join_pieces, token)
        token = _LEET_TOKEN.sub(self._read_leet, token)
        return _LETTERS.sub(self._squeeze, token) if _REPEATED.search(token) else token

    def _is_word(self, word: str) -> bool:
        return _SHORTEST_WORD <= len(word) <= _LONGEST_WORD and self._vocabulary(word)

    def _join_letters(self, match: re.Match[str]) -> str:
        letters = match[0].replace(match[1], "")
        return " ".join(self._segment(letters)) or match[0]

    def _segment(self, letters: str) -> list[str]:
        """Cut letters into the fewest words of at least three letters; none where that cannot be done."""
        best = {0: (0, 0)}  # to the end of the last word: the number of words, and where the last one begins
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

    def _join_pieces(self, match: re.Match[str]) -> str:
        joined = "".join(_LETTERS.findall(match[0]))
        return joined if len(joined) >= _SHORTEST and self._is_word(joined.lower()) else match[0]

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
        candidates = (_REPEATED.sub(r"\1\1", word), _REPEATED.sub(r"\1", word))
        known = next((candidate for candidate in candidates if self._is_word(candidate.lower())), None)
        return known or (candidates[1] if len(candidates[1]) >= _LONG else word)


def _refang(text: str) -> str:
    """Write the dots and schemes of addresses as they are meant."""
    lower = text.lower()
    if "hxxp" in lower or "h**p" in lower:
        text = _SCHEME.sub(r"http\1://", text)
    if "dot" in lower:
        text = _SPELT_DOT.sub(".", text)
    if "[" in text or "(" in text or "{" in text:
        text = _DEFANGED.sub(".", text)
    return text


def _shape(text: str) -> bytes:
    """Return what each character may be part of: it takes as many bytes as the text has characters."""
    return text.encode("ascii", "replace").translate(_SHAPES)


def _may_be_spaced(shape: bytes) -> bool:
    """Whether there may be a match of _SPACED."""
    return b"a a a" in shape or b"a.a.a" in shape


def _may_be_odd(shape: bytes) -> bool:
    """Whether there may be a word in pieces, or with digits inside or beside its letters."""
    return not shape.isalpha() and (
        (b"a.a" in shape or b"a1" in shape or b"1a" in shape)
        or (b"!" in shape and (b"!a" in shape or b"!1" in shape))
        or (b"|" in shape and (b"|a" in shape or b"|1" in shape))
    )


def _readings(token: str) -> Iterator[str]:
    return map("".join, product(*(_LEET.get(character, character) for character in token)))
