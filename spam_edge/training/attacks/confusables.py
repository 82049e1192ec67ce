"""Homoglyphs of ASCII letters from the Unicode confusables (UTS #39, confusables.txt)."""

import string
from collections.abc import Mapping
from functools import cache

from confusable_homoglyphs.confusables import confusables_data

_SCRIPTS = ("CYRILLIC ", "GREEK ", "ARMENIAN ", "CHEROKEE ", "LATIN ")


@cache
def homoglyphs() -> Mapping[str, tuple[str, ...]]:
    """Map each ASCII letter to the Cyrillic, Greek, Armenian, Cherokee and extended Latin letters of its class.

    ``k``, ``m``, ``t`` and ``Q`` have none; their other case does.
    """
    # Unicode lists a class under its prototype, which is l for I.
    prototypes = {letter: letter for letter in string.ascii_letters} | {"I": "l"}
    return {
        letter: tuple(entry["c"] for entry in confusables_data.get(prototype, ()) if _is_letter(entry["c"], entry["n"]))
        for letter, prototype in prototypes.items()
    }


def _is_letter(character: str, name: str) -> bool:
    return len(character) == 1 and character.isalpha() and not character.isascii() and name.startswith(_SCRIPTS)
