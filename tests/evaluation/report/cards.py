"""Summarise each track in a card; the cards stand side by side at the top of the page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.evaluation.report.document import BASELINE, HEADLINE, OURS
from tests.evaluation.report.kinds import BALANCED
from tests.evaluation.report.wording import Shown, is_measured, name_of, shown

TODAY = "Messages of today"
"""Title of the second track."""
_OF_THE_CORPUS = (HEADLINE, "recall_at_fpr_0.5pct", "f1", "pr_auc")
_OF_NOTICES = ("false_positive_rate", "recall")
_OF_FILES = {"notices": "false_positive_rate", "spam": "recall"}


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a card, with the baseline's if it was measured."""

    name: str
    figure: Shown
    baseline: Shown | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One track.

    Attributes:
        title: name of the track.
        about: one sentence on how to read the card.
        lines: figures, the most important first.
    """

    title: str
    about: str
    lines: tuple[Line, ...]


def cards(evaluation: Mapping[str, Any]) -> list[Card]:
    """Return one card per track that has figures."""
    name = str(evaluation["corpus"].get("name", "the corpus"))
    tracks = (
        Card(
            name,
            "Held-out templates of the corpus, comparable with earlier reports.",
            tuple(_of_the_corpus(evaluation)),
        ),
        Card(
            TODAY,
            "Held-out groups of notices, harmless controls, and additional files.",
            tuple(_of_today(evaluation.get("today") or {})),
        ),
    )
    return [card for card in tracks if card.lines]


def _of_the_corpus(evaluation: Mapping[str, Any]) -> Iterator[Line]:
    yield from _beside(evaluation["systems"], _OF_THE_CORPUS)


def _of_today(today: Mapping[str, Any]) -> Iterator[Line]:
    for line in _beside((today.get("notices") or {}).get("systems") or {}, _OF_NOTICES):
        yield Line(f"notices: {line.name}", line.figure, line.baseline)
    key = "false_positive_rate"
    if controls := [each for each in today.get("controls") or () if is_measured(each[key])]:
        worst = max(controls, key=lambda each: float(each[key]["value"]))
        baseline = shown(worst["baseline"], key) if is_measured(worst.get("baseline")) else None
        yield Line(f"worst control, {worst['id']} {worst['title']}: {name_of(key)}", shown(worst[key], key), baseline)
    for kind, mean in (today.get("means") or {}).items():
        rate = _OF_FILES[kind]
        figure = Shown(shown(mean["modes"][BALANCED], rate).main, f"mean of {mean['files']}")
        yield Line(f"files of {kind}: {name_of(rate)}", figure)


def _beside(systems: Mapping[str, Any], keys: Sequence[str]) -> Iterator[Line]:
    """Yield our figures beside the baseline's; figures that were not measured are left out."""
    ours, baseline = (systems.get(name, {}).get("by_cluster") or {} for name in (OURS, BASELINE))
    for key in keys:
        if key in ours:
            yield Line(name_of(key), shown(ours[key], key), shown(baseline[key], key) if key in baseline else None)
