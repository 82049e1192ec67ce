"""What an attack is, and how much of a message it takes: the share of its words, and which of them."""

import hashlib
import json
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from spam_edge.training.disguises.keywords import Keywords
from spam_edge.training.disguises.spans import Span, replace, words

KEYWORDS = "keywords"
RANDOM = "random"
TARGETS = (KEYWORDS, RANDOM)
"""The words with the highest log-odds of spam, or any."""


@dataclass(frozen=True, slots=True)
class Level:
    """How hard an attack hits.

    Attributes:
        shares: least and greatest share of the words of a message; the seed draws between them.
        additions: how many sentences or fillers are put beside a message.
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
    """Everything that decides how one message is disguised.

    Attributes:
        rng: the only source of chance.
        level: a value of ``LEVELS``.
        target: one of ``TARGETS``.
        keywords: log-odds of the training words; needed for the target ``keywords`` alone.
        ham: sentences that may be put beside a message.
        characters: the only homoglyphs that may be drawn; None for all.
    """

    rng: random.Random
    level: Level
    target: str
    keywords: Keywords = field(default_factory=lambda: Keywords({}))
    ham: Sequence[str] = ()
    characters: Collection[str] | None = None

    def amount(self, of: int) -> int:
        """How many of that many are disguised: the share of the level, but one at least."""
        return max(1, round(self.rng.uniform(*self.level.shares) * of))


Transform = Callable[[str, Draw], str]
"""Of a message or of a word; what it cannot disguise it returns unchanged."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One trick of spammers.

    Attributes:
        id: ``E1`` to ``E15``.
        title: what it is, in two or three words.
        transform: disguises a message.
    """

    id: str
    title: str
    transform: Transform


def seeded(row_id: str, attack: str, level: str, target: str) -> random.Random:
    """Chance that depends on these four alone, through their sha256."""
    digest = hashlib.sha256(json.dumps([row_id, attack, level, target]).encode()).digest()
    return random.Random(int.from_bytes(digest, "big"))  # noqa: S311  # nothing here is secret


def any_of(*forms: Transform) -> Transform:
    """One of several forms, each as likely as the others among those that change anything."""

    def transform(text: str, draw: Draw) -> str:
        changed = (form(text, draw) for form in draw.rng.sample(forms, len(forms)))
        return next((new for new in changed if new != text), text)

    return transform


def on_words(transform: Transform) -> Transform:
    """Make an attack on words one on messages: on the share of the level, chosen by the target, of at least one word.

    A word that the attack leaves as it is does not count; the next one takes its place.
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
