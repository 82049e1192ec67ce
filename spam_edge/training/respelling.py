"""One word respelt: misspelt, written with digits, as it sounds, or without its vowels."""

import random
import re
from collections.abc import Callable

_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "l": "1", "b": "8", "g": "9"}
_LEET_SHARE = 0.6
_SOUNDS = tuple(
    (re.compile(heard, re.IGNORECASE), written)
    for heard, written in (
        ("ph", "f"),
        ("ck", "k"),
        ("c(?=[aour])", "k"),
        ("cl", "kl"),
        ("x", "ks"),
        ("qu", "kw"),
        ("wh", "w"),
        ("th", "d"),
        ("s$", "z"),
        ("igh", "i"),
        ("ee", "ea"),
        ("ea", "ee"),
        ("ai", "ay"),
        ("ou", "ow"),
        ("i(?=[a-z]e)", "y"),
        ("er$", "a"),
        ("ing$", "in"),
        ("tion", "shun"),
        (r"([a-z])\1", r"\1"),
        ("you", "u"),
        ("are", "r"),
        ("for", "4"),
        ("to", "2"),
        ("ate", "8"),
    )
)
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {key: row[max(0, at - 1) : at] + row[at + 1 : at + 2] for row in _ROWS for at, key in enumerate(row)}

Respell = Callable[[str, random.Random], str]


def misspell(word: str, dice: random.Random) -> str:
    """One edit behind the first letter: swap, leave out, double, or hit the key beside it."""
    at = dice.randrange(1, len(word))
    edits: tuple[Callable[[], str], ...] = (
        lambda: word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :] if at > 1 else word,
        lambda: word[:at] + word[at + 1 :],
        lambda: word[:at] + word[at] + word[at:],
        lambda: word[:at] + dice.choice(_NEIGHBOURS.get(word[at].lower(), word[at])) + word[at + 1 :],
    )
    return dice.choice(edits)()


def leet(word: str, dice: random.Random) -> str:
    """Most letters that a digit or sign can stand for."""
    return "".join(
        dice.choice(_LEET[letter.lower()]) if letter.lower() in _LEET and dice.random() < _LEET_SHARE else letter
        for letter in word
    )


def as_it_sounds(word: str, dice: random.Random) -> str:
    """One sound written in another way."""
    rules = [rule for rule in _SOUNDS if rule[0].search(word)]
    if not rules:
        return word
    heard, written = dice.choice(rules)
    return heard.sub(written, word)


def without_vowels(word: str, dice: random.Random) -> str:
    """Without one vowel behind the first letter, or without any."""
    vowels = [at for at in range(1, len(word)) if word[at].lower() in "aeiou"]
    if not vowels:
        return word
    dropped = {dice.choice(vowels)} if dice.random() < 0.5 else set(vowels)
    return "".join(letter for at, letter in enumerate(word) if at not in dropped)


RESPELLINGS: tuple[Respell, ...] = (misspell, leet, as_it_sounds, without_vowels)
"""Each takes a word of three characters or more."""
