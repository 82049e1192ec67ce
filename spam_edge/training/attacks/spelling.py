"""Spelling attacks: E6 to E8, E12, E13 and E15."""

import string
from collections.abc import Callable

from spam_edge.training.attacks.attack import Draw, Transform, any_of
from spam_edge.training.attacks.tables import HOMOPHONES, LEET, NEIGHBOURS

SPACERS = (" ", "_", ".", "-")
SPLITTERS = (".", "-", "*", " ")
_VOWELS = "aeiouAEIOU"
_SOUNDS = (("ph", "f"), ("f", "ph"), ("ck", "k"))


def leet(word: str, draw: Draw) -> str:
    """E6: replace each letter by a digit or sign of the same shape, if one exists."""
    return "".join(draw.rng.choice(LEET.get(letter.lower(), letter)) for letter in word)


def spaced(word: str, draw: Draw) -> str:
    """E7: separate the letters with a space, ``_``, ``.`` or ``-``, as in F R E E."""
    return draw.rng.choice(SPACERS).join(word)


def split(word: str, draw: Draw) -> str:
    """E8: split a word once with punctuation or a space, as in fr.ee, cl-aim, pri*ze, pay ment.

    Words of four letters or more keep at least two letters on either side.
    """
    edge = 2 if len(word) >= 4 else 1
    if len(word) <= edge:
        return word
    at = draw.rng.randint(edge, len(word) - edge)
    return word[:at] + draw.rng.choice(SPLITTERS) + word[at:]


def repeated(word: str, draw: Draw) -> str:
    """E13: repeat a letter, as in freeee or c l aaim; the first letter only if it is the only one."""
    letters = [at for at, letter in enumerate(word) if letter.isalpha()]
    inner = letters[1:] or letters
    if draw.rng.random() < 0.5:
        at = draw.rng.choice(inner)
        return word[:at] + word[at] * draw.rng.randint(3, 5) + word[at + 1 :]
    at = draw.rng.choice(inner[:3])
    return " ".join([*word[:at], word[at] + word[at:]])


def homophone(word: str, draw: Draw) -> str:
    """E15: replace a word by a homophone or its SMS-speak form."""
    forms = HOMOPHONES.get(word.lower())
    return _in_case_of(word, draw.rng.choice(forms)) if forms else word


def _swap(word: str, at: int, draw: Draw) -> str:
    return word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]


def _delete(word: str, at: int, draw: Draw) -> str:
    return word[:at] + word[at + 1 :]


def _insert(word: str, at: int, draw: Draw) -> str:
    return word[:at] + _like(word[at], draw.rng.choice(string.ascii_lowercase)) + word[at:]


def _miss(word: str, at: int, draw: Draw) -> str:
    neighbours = NEIGHBOURS.get(word[at].lower(), word[at])
    return word[:at] + _like(word[at], draw.rng.choice(neighbours)) + word[at + 1 :]


def _edit(kind: Callable[[str, int, Draw], str]) -> Transform:
    """Return a transform that applies one edit at a random letter after the first, where it changes the word."""

    def edit(word: str, draw: Draw) -> str:
        inner = [at for at in range(1, len(word)) if word[at].isalpha()]
        edits = (kind(word, at, draw) for at in draw.rng.sample(inner, len(inner)))
        return next((edited for edited in edits if edited != word), word)

    return edit


def _without_vowels(word: str, draw: Draw) -> str:
    return word[:1] + "".join(letter for letter in word[1:] if letter not in _VOWELS)


def _by_ear(word: str, draw: Draw) -> str:
    """Swap ph and f, or replace ck by k."""
    small = word.lower()
    heard = next((small.replace(old, new) for old, new in _SOUNDS if old in small), None)
    return word if heard is None else _in_case_of(word, heard)


misspelt = any_of(*map(_edit, (_swap, _delete, _insert, _miss)), _without_vowels, _by_ear)
"""E12: one Damerau edit after the first letter, inner vowels dropped, ph and f swapped, or ck replaced by k."""


def _like(letter: str, new: str) -> str:
    return new.upper() if letter.isupper() else new


def _in_case_of(word: str, new: str) -> str:
    if word.isupper() and len(word) > 1:
        return new.upper()
    return new.capitalize() if word[0].isupper() else new
