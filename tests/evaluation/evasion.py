"""Scores of one attack, and the recall computed from them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spam_edge.training.attacks import ATTACKS
from tests.evaluation import paraphrases
from tests.evaluation.modes import as_json
from tests.evaluation.statistics import exact_rate

SEEN_IN_TRAINING = frozenset({"E6", "E12", "E14", "E15"})
"""Attacks that resemble what :mod:`spam_edge.training.data.augmentation` does."""
UNKNOWN_HOMOGLYPHS = "E1 unknown"
"""E1 with letters that were removed from the normaliser's table."""
LEVEL, TARGET = "medium", "keywords"
"""Level and target of the disguises that have goals and enter the worst case."""
_WORST = "E18"
_TITLES = {
    UNKNOWN_HOMOGLYPHS: "homoglyphs the normaliser lacks",
    paraphrases.ATTACK: paraphrases.TITLE,
    _WORST: "worst of E1 to E15 per message",
}


@dataclass(frozen=True, slots=True)
class Attacked:
    """One attack on the test spam of a fold.

    Attributes:
        attack: id of the attack.
        level: strength, the share of each message that is changed.
        target: words that are changed.
        rows: indices of the changed messages among the track's test messages.
        ours: our scores of the disguised messages.
        baseline: the baseline's scores of the disguised messages.
    """

    attack: str
    level: str
    target: str
    rows: list[int]
    ours: list[float]
    baseline: list[float]

    @property
    def kind(self) -> tuple[str, str, str]:
        """Attack, level and target."""
        return self.attack, self.level, self.target

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return asdict(self)


def worst_of(attacks: Sequence[Attacked]) -> Attacked:
    """Return the lowest score of each message over all attacks: an attacker who tries every disguise."""
    lowest: dict[int, tuple[float, float]] = {}
    for attack in attacks:
        if attack.attack in ATTACKS and (attack.level, attack.target) == (LEVEL, TARGET):
            for row, ours, baseline in zip(attack.rows, attack.ours, attack.baseline, strict=True):
                kept = lowest.get(row, (ours, baseline))
                lowest[row] = min(kept[0], ours), min(kept[1], baseline)
    caught, theirs = ([scores[place] for scores in lowest.values()] for place in (0, 1))
    return Attacked(_WORST, LEVEL, TARGET, list(lowest), caught, theirs)


def evaded(
    kind: tuple[str, str, str], caught: Sequence[bool], clean: Sequence[bool], theirs: Sequence[bool]
) -> dict[str, Any]:
    """Return the figures of one attack.

    Args:
        kind: attack, level and target.
        caught: whether each changed message is caught disguised.
        clean: whether it is caught undisguised.
        theirs: whether the baseline catches it disguised.
    """
    attack, level, target = kind
    n = len(caught)
    undisguised = exact_rate(sum(clean), n)
    return {
        "attack": attack,
        "title": _TITLES.get(attack) or ATTACKS[attack].title,
        "level": level,
        "target": target,
        "recall": as_json(exact_rate(sum(caught), n)),
        "clean_recall": undisguised.value if undisguised else None,
        "clean_low": undisguised.low if undisguised else None,
        "baseline": as_json(exact_rate(sum(theirs), n)),
        "seen_in_training": attack in SEEN_IN_TRAINING,
        "changed": n,
    }
