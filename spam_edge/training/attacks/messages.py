"""Attacks that add emoji (E11) or ham (E14) to a message."""

from spam_edge.training.attacks.attack import Draw, any_of
from spam_edge.training.attacks.tables import EMOJI, FILLERS, ORNAMENTS

_REGIONAL_A = 0x1F1E6


def _between_letters(word: str, draw: Draw) -> str:
    return draw.rng.choice(ORNAMENTS).join(word)


def _between_words(word: str, draw: Draw) -> str:
    return f"{word} {draw.rng.choice(ORNAMENTS)}"


def _as_emoji(word: str, draw: Draw) -> str:
    return draw.rng.choice(EMOJI.get(word.lower(), (word,)))


def _regional(word: str, draw: Draw) -> str:
    return "".join(
        chr(_REGIONAL_A + ord(letter.lower()) - ord("a")) if letter.isascii() and letter.isalpha() else letter
        for letter in word
    )


emoji = any_of(_between_letters, _between_words, _as_emoji, _regional)
"""E11: insert emoji between the letters of a word, append or substitute an emoji, or use regional indicators."""


def padding(message: str, draw: Draw) -> str:
    """E14: prepend or append one to three ham sentences or fillers, depending on the level."""
    count = draw.level.additions
    if draw.ham and draw.rng.random() < 0.5:
        added = draw.rng.sample(draw.ham, min(count, len(draw.ham)))
    else:
        added = draw.rng.choices(FILLERS, k=count)
    return " ".join([*added, message] if draw.rng.random() < 0.5 else [message, *added])
