"""Group the attacks of the evasion suite by level and target."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.evaluation.report.document import WHOLE_MESSAGE

MAIN_LEVELS = ("medium", WHOLE_MESSAGE)
_AT_LEAST = re.compile(r">=?\s*([\d.]+)\s*(%?)")


@dataclass(frozen=True, slots=True)
class Disguises:
    """The attacks of one level and target."""

    level: str
    target: str
    entries: tuple[Mapping[str, Any], ...]

    @property
    def title(self) -> str:
        """Level and target in words."""
        target = f"on {self.target}" if self.target else ""
        return " ".join(filter(None, (self.level, target))) or "all"

    @property
    def name(self) -> str:
        """Name of the picture."""
        return "-".join(["evasion", *re.findall(r"\w+", f"{self.level} {self.target}".lower())])


def disguises(evaluation: Mapping[str, Any]) -> list[Disguises]:
    """Return the groups in the order of measurement."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in evaluation.get("evasion") or ():
        groups.setdefault((entry.get("level") or "", entry.get("target") or ""), []).append(entry)
    return [Disguises(*key, tuple(entries)) for key, entries in groups.items()]


def main_disguises(groups: Sequence[Disguises]) -> list[Disguises]:
    """Return the groups of medium level or without levels; the first group if there are none."""
    return [group for group in groups if group.level in MAIN_LEVELS] or list(groups[:1])


def label(entry: Mapping[str, Any]) -> str:
    """Return id and title of an attack, with a star if training had no attack of its kind."""
    title = f"{entry['attack']} {entry.get('title') or ''}".strip()
    return title if entry.get("seen_in_training", True) else f"{title} *"


def goal_of(entry: Mapping[str, Any], evaluation: Mapping[str, Any]) -> float | None:
    """Return the recall goal of an attack: its own ``goal``, or that of the evaluation's goal that names it."""
    if entry.get("goal") is not None:
        return float(entry["goal"])
    return next(_named_goals(str(entry["attack"]), evaluation), None)


def _named_goals(attack: str, evaluation: Mapping[str, Any]) -> Iterator[float]:
    for goal in evaluation.get("goals") or ():
        found = _AT_LEAST.fullmatch(str(goal["goal"]).strip())
        if found and re.search(rf"\b{re.escape(attack)}\b", goal["name"]):
            yield float(found[1]) / (100 if found[2] else 1)
