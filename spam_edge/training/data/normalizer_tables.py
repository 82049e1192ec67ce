"""Generation of the normaliser tables from Python's Unicode data and the UTS #39 confusables."""

import json
import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources

from spam_edge.text.normalization.tables import Tables, ranges

_INVISIBLE = "\x7f" + (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u2800\u3164\ufeff\uffa0\ufff9\ufffa\ufffb\ufffc"
    "\u0890\u0891\u08e2\U000110cd\U00016fe4\U0001d159"  # marks of numbers and verses, a filler, a note without a head
)
_INVISIBLE_RANGES = (
    *((0x00, 0x08), (0x0E, 0x1B)),  # controls other than whitespace
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F), (0xE0000, 0xE01EF)),
    (0x13430, 0x1343F),  # joiners of hieroglyphs
    (0x1D173, 0x1D17A),  # beams and slurs of musical notation
    (0x1F3FB, 0x1F3FF),  # skin-tone modifiers
)
_ENCLOSING_OR_SPACING = ("Me", "Mc")
"""Categories of the marks that tokenizers keep, unlike accents. Spacing marks are vowel signs of India, for example."""
_OUTLINED = 0x1CCD6
"""Outlined A, before the other capitals and the digits. They came to Unicode in 2024, after Python 3.13."""
_SCRIPTS = ("CYRILLIC", "GREEK", "COPTIC", "ARMENIAN", "CHEROKEE", "LATIN", "LISU", "DESERET")
_ASCII = frozenset(string.ascii_letters + string.digits)
_SQUARED = ("SQUARED ", "NEGATIVE SQUARED ", "NEGATIVE CIRCLED ", "PARENTHESIZED ")
_IOTA = {"i": " IOTA", "l": " PALOCHKA"}
_BOTH_WAYS = {"\u017f": "fs", "\u037a": "i"}
"""Ambiguous characters: long s resembles s and f; a subscript iota resembles i."""
_ETH = {"\u00d0": "d", "\u00f0": "d"}
"""Eth resembles D with a stroke, and stands in names of Iceland."""
_BY_SHAPE = {
    # Cyrillic: ka, em, pe, sha, soft sign, Ukrainian ie, tshe, ghe with stroke
    **{"\u043a": "k", "\u043c": "m", "\u043f": "n", "\u0448": "w", "\u044c": "b", "\u0454": "e", "\u045b": "h"},
    "\u0493": "f",
    # Greek: beta, epsilon, eta, kappa, pi, final sigma, chi, omega
    **{"\u03b2": "b", "\u03b5": "e", "\u03b7": "n", "\u03ba": "k", "\u03c0": "n", "\u03c2": "sc", "\u03c7": "x"},
    "\u03c9": "w",
    # o with ogonek, for the small capital Q, which came late to Unicode, and the estimated sign
    **{"\u01eb": "q", "\u212e": "e"},
    # currency signs: mill, naira, won, kip, tugrik, peso, guarani, austral, hryvnia, cedi, franc, baht
    **{"\u20a5": "m", "\u20a6": "n", "\u20a9": "w", "\u20ad": "k", "\u20ae": "t", "\u20b1": "p", "\u20b2": "g"},
    **{"\u20b3": "a", "\u20b4": "s", "\u20b5": "c", "\u20a3": "f", "\u0e3f": "b"},
    # T with stroke resembles F, too
    "\u0166": "ft",
    # Coptic
    **dict(zip("\u2c81\u2c83\u2c89\u2c8f\u2c93\u2c95\u2c99\u2c9b\u2ca7\u2ca9\u2cad", "abehikmntyx", strict=True)),
    # Canadian syllabics
    **dict(zip("\u15e9\u15f7\u1455\u15ea\u15b4\u157c\u148d\u14aa\u15f0\u144e\u146d", "abcdfhjlmnp", strict=True)),
    **dict(zip("\u146b\u1587\u1515\u144c\u142f\u15ef\u166d\u1614", "qrsuvwxz", strict=True)),
    # Thai with Hebrew, Arabic and Armenian
    **dict(zip("\u0e04\u0e52\u0e54\ufeee\u0e40\u0e53\u0e20\u0e4f\u0e23\u0e22\u0e2c", "abdgimnosuw", strict=True)),
    **dict(zip("\u05df\u05e7\u0547\u05e9\u05d0\u05e5", "jptvxy", strict=True)),
}
"""Letters and signs that only suggest an ASCII letter, where the Unicode confusables have none."""
_SCRIPTS_OF_SHAPES = ("CYRILLIC", "GREEK SMALL", "GREEK CAPITAL")
_EMOJI_RANGES = ((0x1F300, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F900, 0x1F9FF), (0x1FA70, 0x1FAFF), (0x2600, 0x27BF))
_SQUARES = (0x1F100, 0x1F200)
_MORE_EMOJI = "\u231a\u231b\u23f0\u23f3\u2b50\u2b55"
_NOT_IN_NAMES = "\u0180"
"""First code point after the letters of European languages, which occur in names."""
_EASTERN = {"ARABIC", "ARMENIAN", "COPTIC", "CYRILLIC", "ETHIOPIC", "GEORGIAN", "GREEK", "HEBREW", "SYRIAC", "THAANA"}
_INDIAN = {
    "BENGALI",
    "DEVANAGARI",
    "GUJARATI",
    "GURMUKHI",
    "KANNADA",
    "MALAYALAM",
    "ORIYA",
    "SINHALA",
    "TAMIL",
    "TELUGU",
}
_ASIAN = {
    "BOPOMOFO",
    "CJK",
    "HANGUL",
    "HIRAGANA",
    "KATAKANA",
    "KHMER",
    "LAO",
    "MONGOLIAN",
    "MYANMAR",
    "THAI",
    "TIBETAN",
}
_FOREIGN = frozenset(_EASTERN | _INDIAN | _ASIAN | {"CHEROKEE", "YI"})
_LETTERS = re.compile(r"[a-z]+")
_SHORTEST_WORD = 3
_SEVERAL = 5
_NAME_WORDS = 5
"""Words kept of an emoji's Unicode name."""


def make_tables(texts: Iterable[str] = ()) -> Tables:
    """Build the tables. The same Unicode data and texts give identical tables.

    Args:
        texts: the training messages, which determine the known words and scripts.
    """
    invisible = frozenset(_INVISIBLE) | {chr(c) for first, last in _INVISIBLE_RANGES for c in range(first, last + 1)}
    invisible |= {character for character in _assigned() if unicodedata.category(character) in _ENCLOSING_OR_SPACING}
    styled = _styled()
    alike = {
        character: letter
        for character, letter in _with_accents(dict(_confusables()))
        if character not in styled and not _decomposes_to_ascii(character)
    }
    alike |= _BOTH_WAYS
    styled = {character: letter for character, letter in styled.items() if character not in _BOTH_WAYS}
    # Names such as Søren and Łódź contain these letters, so they do not count as obfuscation.
    names = {c: letters[0] for c, letters in alike.items() if c < _NOT_IN_NAMES and c not in _BOTH_WAYS}
    names |= _ETH
    confusable = {character: letter for character, letter in alike.items() if character not in names}
    emoji = _emoji_names()
    taken = invisible | styled.keys() | confusable.keys() | emoji.keys()
    plain = {character: plainly for character, plainly in _compatibility() if character not in taken}
    plain |= names
    plain |= _windows_1252({**confusable, **plain})
    words, scripts = _seen(texts)
    unseen = _FOREIGN - scripts
    return Tables(
        invisible=invisible,
        plain=plain,
        styled=styled,
        confusable=confusable,
        emoji=emoji,
        words=words,
        shapes={c: letter for c, letter in (dict(_shapes(styled)) | _BY_SHAPE).items() if c not in confusable},
        foreign=tuple(ranges(character for character in _assigned() if _script(character) in unseen)),
    )


def _seen(texts: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the words and the scripts found in at least 5 messages."""
    words: Counter[str] = Counter()
    scripts: Counter[str] = Counter()
    for text in texts:
        words.update({word for word in _LETTERS.findall(text.lower()) if len(word) >= _SHORTEST_WORD})
        scripts.update({_script(character) for character in set(text)})
    kept = [frozenset(name for name, count in found.items() if count >= _SEVERAL) for found in (words, scripts)]
    return kept[0], kept[1]


def _script(character: str) -> str:
    """Return the script of a letter or mark, the first word of its Unicode name; empty for other characters."""
    if unicodedata.category(character)[0] not in "LM":
        return ""
    return unicodedata.name(character, "").replace("-", " ").split(" ")[0]


def _styled() -> dict[str, str]:
    """Map fullwidth, mathematical, circled, squared, superscript and small-capital forms to ASCII."""
    table = {chr(_OUTLINED + place): sign for place, sign in enumerate(string.ascii_uppercase + string.digits)}
    for character in _assigned():
        compatible = unicodedata.normalize("NFKC", character)
        name = unicodedata.name(character, "")
        if _is_ordinary(name):
            continue
        if compatible != character and len(compatible) == 1 and compatible in _ASCII:
            table[character] = compatible
        elif len(letter := _letters_by_name(name)) == 1:
            table[character] = letter
    return table


def _is_ordinary(name: str) -> bool:
    """Return whether a character occurs in ordinary English text: superscript numbers, ordinals, units."""
    return name.startswith(("SUPERSCRIPT ", "SUBSCRIPT ", "FEMININE ORDINAL", "MASCULINE ORDINAL", "KELVIN"))


def _letters_by_name(name: str) -> str:
    """Return the letters that a character depicts, from its name, where Unicode has no decomposition."""
    if name.startswith(_SQUARED):
        picture = name.split(" ", 2)[-1] if name.startswith("NEGATIVE") else name.split(" ", 1)[-1]
        picture = picture.removeprefix("LATIN CAPITAL LETTER ").removeprefix("LATIN SMALL LETTER ")
        return picture.lower() if picture.isascii() and picture.isalpha() and len(picture) <= 4 else ""
    if name.startswith("LATIN LETTER SMALL CAPITAL ") and len(letter := name.rsplit(" ", 1)[-1]) == 1:
        return letter.lower()
    if name.startswith("REGIONAL INDICATOR SYMBOL LETTER "):
        return name[-1].lower()
    return ""


def _similar() -> Mapping[str, list[dict[str, str]]]:
    """Return the UTS #39 confusables: character to the entries (c: characters, n: names) of its class."""
    source = resources.files("confusable_homoglyphs") / "confusables.json"
    similar: Mapping[str, list[dict[str, str]]] = json.loads(source.read_text(encoding="utf-8"))
    return similar


def _confusables() -> Iterator[tuple[str, str]]:
    """Yield (character, ASCII letters it resembles), ordered by :func:`_meant`."""
    similar = _similar()
    candidates: dict[str, list[str]] = {}
    for letter in string.ascii_lowercase + string.ascii_uppercase:
        for entry in similar.get(letter, ()):
            if len(entry["c"]) == 1 and not entry["c"].isascii() and _is_letter_of_a_script(entry["c"]):
                candidates.setdefault(entry["c"], []).append(letter.lower())
    for character in _assigned():
        if crossed := _crossed(character):
            candidates.setdefault(character, []).append(crossed)
    for character, letters in candidates.items():
        yield character, _meant(character, letters)


def _shapes(styled: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (letter, ASCII letter) for Cyrillic and Greek letters that are confusable with a small capital."""
    similar = _similar()
    for small in sorted(styled):
        if not unicodedata.name(small, "").startswith("LATIN LETTER SMALL CAPITAL "):
            continue
        for entry in similar.get(small, ()):
            if entry["n"].startswith(_SCRIPTS_OF_SHAPES):
                yield entry["c"], styled[small]
                yield entry["c"].upper(), styled[small]


def _crossed(character: str) -> str | None:
    """Return the base letter of a letter with a stroke, hook or tail, which Unicode does not decompose."""
    match = re.fullmatch(r"LATIN (?:CAPITAL|SMALL) LETTER ([A-Z]) WITH .+", unicodedata.name(character, ""))
    return match[1].lower() if match and unicodedata.normalize("NFKD", character) == character else None


def _with_accents(table: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the entries of a table and their accented forms, such as the Cyrillic io."""
    yield from table.items()
    for character in _assigned():
        bare = unicodedata.normalize("NFD", character)
        if len(bare) > 1 and bare[0] in table and all(map(unicodedata.combining, bare[1:])):
            yield character, table[bare[0]]


def _is_letter_of_a_script(character: str) -> bool:
    return character.isalpha() and unicodedata.name(character, "").startswith(_SCRIPTS)


def _meant(character: str, letters: list[str]) -> str:
    """Order the letters that a character may stand for. Capital i and small l look the same."""
    found = list(dict.fromkeys(letters))
    if "l" in found and "i" not in found:
        found.append("i")
    name = unicodedata.name(character).split(" WITH ")[0]
    own = [letter for letter in "il" if letter in found and name.endswith((f" {letter.upper()}", _IOTA[letter]))]
    return "".join(dict.fromkeys([*own, *found]))


def _emoji_names() -> dict[str, str]:
    """Map each emoji to words of its Unicode name, and each squared word to that word."""
    characters = [chr(code) for first, last in _EMOJI_RANGES for code in range(first, last + 1)]
    names = {character: unicodedata.name(character, "") for character in [*characters, *_MORE_EMOJI]}
    squares = {chr(code): _letters_by_name(unicodedata.name(chr(code), "")) for code in range(*_SQUARES)}
    return {
        character: " ".join(name.lower().replace("-", " ").split()[:_NAME_WORDS])
        for character, name in names.items()
        if name and not name.startswith(("EMOJI MODIFIER", "DINGBAT"))
    } | {character: word for character, word in squares.items() if len(word) > 1}


def _windows_1252(folds: Mapping[str, str]) -> dict[str, str]:
    """Map C1 control characters to the Windows-1252 characters that were decoded as Latin-1."""
    meant = {chr(code): bytes([code]).decode("cp1252", errors="ignore") for code in range(0x80, 0xA0)}
    return {character: folds.get(letter, letter) for character, letter in meant.items()}


def _compatibility() -> Iterator[tuple[str, str]]:
    """Yield (character, ASCII) for characters that become ASCII by NFKC or by removing accents."""
    for character in _assigned():
        compatible = unicodedata.normalize("NFKC", character)
        bare = "".join(c for c in unicodedata.normalize("NFKD", compatible) if not unicodedata.combining(c))
        plainly = bare.replace("\u2044", "/")
        if plainly != character and plainly and plainly.isascii():
            yield character, plainly


def _decomposes_to_ascii(character: str) -> bool:
    return unicodedata.normalize("NFKD", character)[0].isascii()


def _assigned() -> Iterator[str]:
    for code in range(0xA0, sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) not in ("Cn", "Cs", "Co"):
            yield character
