"""What was scored of one attack, and the rates that come of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from spam_edge.training.disguises import ATTACKS
from tests.evaluation import paraphrases
from tests.evaluation.modes import as_json
from tests.evaluation.statistics import exact_rate

SEEN_IN_TRAINING = frozenset({"E6", "E12", "E14", "E15"})
"""Attacks that have something in common with what :mod:`spam_edge.training.augmentation` does."""
UNKNOWN_HOMOGLYPHS = "E1 unknown"
"""E1 with letters that were taken out of the normaliser's table for it."""
LEVEL, TARGET = "medium", "keywords"
"""Of the disguises that goals are about, and that are put together to the worst."""
_WORST = "E18"
_TITLES = {
    UNKNOWN_HOMOGLYPHS: "homoglyphs the normaliser lacks",
    paraphrases.ATTACK: paraphrases.TITLE,
    _WORST: "the worst of E1 to E15 for each message",
}


@dataclass(frozen=True, slots=True)
class Attacked:
    """One attack on the test spam of a fold.

    Attributes:
        attack: its id.
        level: how much of each message.
        target: which words.
        rows: the messages it changed, by their place among the test messages of the track.
        ours: our scores of them, disguised.
        baseline: those of the baseline.
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
    """Return the lowest score of each message however it is disguised: the attacker tries everything."""
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
        caught: of each message that it changed, whether it is caught disguised.
        clean: whether it is caught as it is.
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
