"""The second view: a guess at what was torn apart or spelt with digits.

Each rule may be wrong, so that the first view stays and both are scored. A guess counts only where it ends in a word of
the tokenizer's vocabulary, and never inside an address.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice, product

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

_DEFANGED = re.compile(r"(?i)\s*[\[({]\s*(?:\.|dot)\s*[\])}]\s*")
_SPELT_DOT = re.compile(rf"(?i)(?<=\w)\s+dot\s+(?=(?:{_DOMAINS})\b)|(?<=\w)\s*\.\s+(?=(?:{_DOMAINS})\b(?!\s+\w))")
_WWW = re.compile(r"(?i)\bwww\s*\.\s+(?=\w)|\bwww\s+\.\s*(?=\w)")
_SCHEME = re.compile(r"(?i)\bh(?:xx|\*\*)p(s?)\s*(?::|\[:\])\s*//\s*")
_SPACED = re.compile(r"(?<![^\W_])[^\W\d_](?:([ _.\-*])[^\W\d_])(?:\1[^\W\d_])+(?![^\W_])")
_SPLIT = re.compile(r"[^\W\d_]+(?:[._*~^|\-][^\W\d_]+)+")
_LETTERS = re.compile(r"[^\W\d_]+")
_LEET_TOKEN = re.compile(r"[a-zA-Z0-9@$!|]*[a-zA-Z][a-zA-Z0-9@$!|]*")
_INNER = re.compile(r"[a-zA-Z][0-9@$!|][a-zA-Z]")
_AMOUNT = re.compile(r"\d+[a-zA-Z]{1,2}|[a-zA-Z]\d+")
_REPEATED = re.compile(r"([^\W\d_])\1{2,}")
_WORTH_A_LOOK = re.compile(
    r"[^\W\d_][._*~^|\-][^\W\d_]|[a-zA-Z][0-9@$!|]+[a-zA-Z]|[a-zA-Z]{2}[0-9@$]{2}|[0-9@$!][a-zA-Z]{2}|"
    r"([^\W\d_])\1\1|(?:\b[^\W\d_] ){2}|(?i:hxxp|h\*\*p)|[\[({] ?(?:\.|(?i:dot))|\s(?i:dot)\s|\s\.\w|\bwww\s"
)


class Joiner:
    """Joins and respells the words of one vocabulary.

    Args:
        is_word: whether a word in lower case is in the vocabulary.
        emoji: characters that tear a word apart when they stand inside it.
    """

    def __init__(self, is_word: Callable[[str], bool], emoji: frozenset[str]) -> None:
        self._vocabulary = is_word
        self._emoji = emoji
        inside = re.escape("".join(sorted(emoji)))
        self._inside_word = re.compile(f"(?<=[^\\W\\d_])[{inside}]+(?=[^\\W\\d_])") if inside else None

    def join(self, text: str) -> str:
        """Return the second view of a folded text; most often the text itself."""
        if self._inside_word is not None and not self._emoji.isdisjoint(text):
            text = self._inside_word.sub("", text)
        if not _WORTH_A_LOOK.search(text):
            return text
        text = _SCHEME.sub(r"http\1://", text)
        text = _SPELT_DOT.sub(".", _DEFANGED.sub(".", _WWW.sub("www.", text)))
        text = _SPACED.sub(self._join_letters, text)
        return "".join(self._respell(part) for part in re.split(r"(\s+)", text))

    def _respell(self, token: str) -> str:
        if not token or token.isspace() or _ADDRESS.search(token):
            return token
        token = _SPLIT.sub(self._join_pieces, token)
        token = _LEET_TOKEN.sub(self._read_leet, token)
        return _LETTERS.sub(self._squeeze, token)

    def _join_letters(self, match: re.Match[str]) -> str:
        letters = match[0].replace(match[1], "")
        words = self._segment(letters.lower())
        if not words:
            return match[0]
        ends = [sum(map(len, words[: index + 1])) for index in range(len(words))]
        return " ".join(letters[end - len(word) : end] for word, end in zip(words, ends, strict=True))

    def _is_word(self, word: str) -> bool:
        return len(word) >= _SHORTEST_WORD and self._vocabulary(word)

    def _segment(self, letters: str) -> list[str]:
        """Cut letters into the fewest words of at least three letters; none where that cannot be done."""
        best: list[list[str] | None] = [[]]
        for end in range(1, len(letters) + 1):
            ways = [
                [*before, letters[start:end]]
                for start in range(max(0, end - 20), end - 2)
                if (before := best[start]) is not None and self._is_word(letters[start:end])
            ]
            best.append(min(ways, key=len) if ways else None)
        return best[-1] or []

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
        if not _REPEATED.search(word):
            return word
        candidates = (_REPEATED.sub(r"\1\1", word), _REPEATED.sub(r"\1", word))
        known = next((candidate for candidate in candidates if self._is_word(candidate.lower())), None)
        return known or (candidates[1] if len(candidates[1]) >= _LONG else word)


def _readings(token: str) -> Iterator[str]:
    return map("".join, product(*(_LEET.get(character, character) for character in token)))
