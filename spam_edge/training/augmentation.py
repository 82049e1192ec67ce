"""Training messages in ever new forms, so that the model learns the message and not its spelling.

Ham and spam go through the same transforms with the same chances: a respelt word never says which of the two it is.
Some of the ways to disguise a message that the evaluation tries are left out here on purpose, so that it shows what
the model makes of those it has never seen. They are written for training alone and share no code with the evaluation.
"""

import random
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_DIGITS = re.compile(r"\d{3,}")
_WORDS = re.compile(r"(\s+)")
_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "l": "1", "b": "8", "g": "9"}
_SOUNDS = (("ph", "f"), ("ck", "k"), ("you", "u"), ("for", "4"), ("to", "2"), ("are", "r"), ("ate", "8"), ("cl", "kl"))
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {key: row[max(0, at - 1) : at] + row[at + 1 : at + 2] for row in _ROWS for at, key in enumerate(row)}
_LONGEST_FILLER = 120
_RESERVED = re.compile(r"\b([\w-]+(?:\.[\w-]+)*?)\.example(?:\.(?:com|org|net))?\b")
_ENDINGS = ("com", "org", "net", "info", "co", "in", "me", "io", "co.uk", "xyz", "top", "live", "app", "link")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """How often a message is changed, each from 0 to 1.

    Attributes:
        digits: numbers of three digits or more become other numbers.
        respelling: some words are misspelt, written with digits, as they sound, or without a vowel.
        share: words that are then respelt, at most.
        padding: a ham message is put before or behind it.
        domains: links on domains reserved for examples lose the reserved part, so that it tells the model nothing.
    """

    digits: float = 0.5
    domains: float = 0.8
    respelling: float = 0.3
    share: float = 0.4
    padding: float = 0.05


class Augmenter:
    """Changes messages; the same seed, message and epoch give the same text.

    Args:
        ham: messages that may be put beside others.
        chances: how often.
        seed: of all dice.
    """

    def __init__(self, ham: Sequence[str], chances: Chances, *, seed: int) -> None:
        self._fillers = [text for text in ham if len(text) <= _LONGEST_FILLER]
        self._chances = chances
        self._seed = seed

    def __call__(self, text: str, *, index: int, epoch: int) -> str:
        """Return one form of a message.

        Args:
            text: the message.
            index: its place in the training split.
            epoch: which pass over the data this is.
        """
        dice = random.Random(f"{self._seed} {epoch} {index}")  # noqa: S311 - nobody is kept from guessing it
        if dice.random() < self._chances.digits:
            text = _DIGITS.sub(lambda match: "".join(dice.choice(string.digits) for _ in match[0]), text)
        if ".example" in text and dice.random() < self._chances.domains:
            text = _RESERVED.sub(lambda host: _released(host[1], dice), text)
        if dice.random() < self._chances.respelling:
            text = _respell(text, dice, dice.uniform(0.1, self._chances.share))
        if self._fillers and dice.random() < self._chances.padding:
            pieces = [text, dice.choice(self._fillers)]
            dice.shuffle(pieces)
            text = " ".join(pieces)
        return text


def _released(name: str, dice: random.Random) -> str:
    """Return a domain without its reserved part, with an ending where it has none."""
    return name if "." in name.removeprefix("www.") else f"{name}.{dice.choice(_ENDINGS)}"


def _respell(text: str, dice: random.Random, share: float) -> str:
    transforms = (_misspell, _leet, _as_it_sounds, _without_vowel)
    transform = dice.choice(transforms)
    return "".join(
        transform(word, dice) if len(word) > 2 and word.isascii() and dice.random() < share else word
        for word in _WORDS.split(text)
    )


def _misspell(word: str, dice: random.Random) -> str:
    """One edit behind the first letter: swap, leave out, double, or hit the key beside it."""
    at = dice.randrange(1, len(word))
    edits: tuple[Callable[[], str], ...] = (
        lambda: word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :] if at > 1 else word,
        lambda: word[:at] + word[at + 1 :],
        lambda: word[:at] + word[at] + word[at:],
        lambda: word[:at] + dice.choice(_NEIGHBOURS.get(word[at].lower(), word[at])) + word[at + 1 :],
    )
    return dice.choice(edits)()


def _leet(word: str, dice: random.Random) -> str:
    return "".join(
        dice.choice(_LEET[letter.lower()]) if letter.lower() in _LEET and dice.random() < 0.6 else letter
        for letter in word
    )


def _as_it_sounds(word: str, dice: random.Random) -> str:
    heard, written = dice.choice([pair for pair in _SOUNDS if pair[0] in word.lower()] or [("", "")])
    return re.sub(heard, written, word, flags=re.IGNORECASE) if heard else word


def _without_vowel(word: str, dice: random.Random) -> str:
    vowels = [at for at in range(1, len(word)) if word[at].lower() in "aeiou"]
    if not vowels:
        return word
    at = dice.choice(vowels)
    return word[:at] + word[at + 1 :]
