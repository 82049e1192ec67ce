"""Definition of an attack: its transform, the share of words it changes, and the selection of those words."""

import hashlib
import json
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from spam_edge.training.attacks.keywords import Keywords
from spam_edge.training.attacks.spans import Span, replace, words

KEYWORDS = "keywords"
RANDOM = "random"
TARGETS = (KEYWORDS, RANDOM)
"""Selection of words: the highest log-odds of spam first, or random order."""


@dataclass(frozen=True, slots=True)
class Level:
    """Strength of an attack.

    Attributes:
        shares: lowest and highest share of the words of a message to change; drawn uniformly between them.
        additions: number of sentences or fillers added by padding.
    """

    shares: tuple[float, float]
    additions: int


LEVELS: Mapping[str, Level] = {
    "light": Level((0.1, 0.1), 1),
    "medium": Level((0.3, 0.3), 2),
    "heavy": Level((0.6, 1.0), 3),
}


@dataclass(frozen=True, slots=True)
class Draw:
    """Parameters and random state of an attack on one message.

    Attributes:
        rng: the only source of randomness.
        level: a value of ``LEVELS``.
        target: one of ``TARGETS``.
        keywords: log-odds of the training words; used by the target ``keywords`` only.
        ham: ham sentences for padding.
        characters: allowed homoglyphs; None allows all.
    """

    rng: random.Random
    level: Level
    target: str
    keywords: Keywords = field(default_factory=lambda: Keywords({}))
    ham: Sequence[str] = ()
    characters: Collection[str] | None = None

    def amount(self, of: int) -> int:
        """Return how many of ``of`` items to change: the share of the level, at least one."""
        return max(1, round(self.rng.uniform(*self.level.shares) * of))


Transform = Callable[[str, Draw], str]
"""Transforms a message or a word; returns it unchanged if the transform does not apply."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One obfuscation attack.

    Attributes:
        id: ``E1`` to ``E15``.
        title: short name for tables.
        transform: obfuscates a message.
    """

    id: str
    title: str
    transform: Transform


def seeded(row_id: str, attack: str, level: str, target: str) -> random.Random:
    """Return a random number generator seeded with the sha256 of the four arguments."""
    digest = hashlib.sha256(json.dumps([row_id, attack, level, target]).encode()).digest()
    return random.Random(int.from_bytes(digest, "big"))  # noqa: S311 - not for cryptography


def any_of(*forms: Transform) -> Transform:
    """Combine transforms: apply one drawn uniformly from those that change the text."""

    def transform(text: str, draw: Draw) -> str:
        changed = (form(text, draw) for form in draw.rng.sample(forms, len(forms)))
        return next((new for new in changed if new != text), text)

    return transform


def on_words(transform: Transform) -> Transform:
    """Lift a word transform to messages. It changes the level's share of the words, at least one, ranked by the target.

    A word that the transform leaves unchanged does not count; the next one replaces it.
    """

    def attack(message: str, draw: Draw) -> str:
        found = words(message)
        wanted = draw.amount(len(found))
        new: dict[Span, str] = {}
        for word in _ranked(found, draw):
            if len(new) == wanted:
                break
            if (disguised := transform(word.text, draw)) != word.text:
                new[word] = disguised
        return replace(message, new)

    return attack


def _ranked(found: Sequence[Span], draw: Draw) -> list[Span]:
    if draw.target == RANDOM:
        return draw.rng.sample(found, len(found))
    return sorted(found, key=lambda word: -draw.keywords(word.text))
