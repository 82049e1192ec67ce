"""The first screen: what each track comes to, side by side."""

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
    """One figure of a card: ours, and that of the baseline where there is one."""

    name: str
    figure: Shown
    baseline: Shown | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """One track.

    Attributes:
        title: what it is.
        about: a sentence that says how to read it.
        lines: its figures, the most telling ones first.
    """

    title: str
    about: str
    lines: tuple[Line, ...]


def cards(evaluation: Mapping[str, Any]) -> list[Card]:
    """Return a card for each track that has figures."""
    name = str(evaluation["corpus"].get("name", "the corpus"))
    tracks = (
        Card(name, "New templates of the corpus, comparable with earlier reports.", tuple(_of_the_corpus(evaluation))),
        Card(
            TODAY,
            "New groups of the notices, controls, and the files that were given.",
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
    """Yield the figures of ours beside those of the baseline, as far as they were measured."""
    ours, baseline = (systems.get(name, {}).get("by_cluster") or {} for name in (OURS, BASELINE))
    for key in keys:
        if key in ours:
            yield Line(name_of(key), shown(ours[key], key), shown(baseline[key], key) if key in baseline else None)
