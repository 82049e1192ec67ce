"""Training messages in ever new forms, so that the model learns the message and not its spelling.

Ham and spam go through the same transforms with the same chances: a respelt word never says which of the two it is.
Some of the ways to disguise a message that the evaluation tries are left out here on purpose, so that it shows what
the model makes of those it has never seen. They are written for training alone and share no code with the evaluation.
"""

import random
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass

from spam_edge.training.numerals import some_number
from spam_edge.training.respelling import RESPELLINGS

_DIGITS = re.compile(r"\d{3,}")
_WORDS = re.compile(r"(\s+)")
_LONGEST_FILLER = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """How often a message is changed, each from 0 to 1.

    Attributes:
        digits: numbers of three digits or more become other numbers.
        numbers: one or two numbers are put somewhere between the words.
        respelling: some words are misspelt, written with digits, as they sound, or without a vowel.
        share: words that are then respelt, at most.
        padding: a ham message is put before or behind it.
    """

    digits: float = 0.5
    numbers: float = 0.3
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
        if dice.random() < self._chances.numbers:
            text = _with_numbers(text, dice)
        if dice.random() < self._chances.respelling:
            text = _respell(text, dice, dice.uniform(0.1, self._chances.share))
        if self._fillers and dice.random() < self._chances.padding:
            pieces = [text, dice.choice(self._fillers)]
            dice.shuffle(pieces)
            text = " ".join(pieces)
        return text


def _respell(text: str, dice: random.Random, share: float) -> str:
    respell = dice.choice(RESPELLINGS)
    return "".join(
        respell(word, dice) if len(word) > 2 and word.isascii() and dice.random() < share else word
        for word in _WORDS.split(text)
    )


def _with_numbers(text: str, dice: random.Random) -> str:
    words = text.split(" ")
    for _ in range(dice.randrange(1, 3)):
        words.insert(dice.randrange(len(words) + 1), some_number(dice))
    return " ".join(words)
