"""Draw the pictures of an evaluation as PNG and SVG."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.evaluation.report.bars import Bar, draw_bars, draw_intervals
from tests.evaluation.report.disguises import disguises, goal_of, label
from tests.evaluation.report.document import BASELINE, OURS, headline, title_of
from tests.evaluation.report.drawing import STYLE, Picture, export
from tests.evaluation.report.kinds import draw_kinds, rows_of_kinds
from tests.evaluation.report.panels import draw_confusion, draw_curves, draw_histogram, draw_reliability
from tests.evaluation.report.wording import METRICS, is_measured

_Plan = tuple[str, str, Callable[[], Figure]]


def draw_pictures(evaluation: Mapping[str, Any]) -> dict[str, Picture]:
    """Draw a picture for each part of ``evaluation.json`` that has figures.

    Returns:
        The pictures by name.
    """
    drawn = {}
    for name, title, draw in (*_of_scores(evaluation), *_of_rates(evaluation), *_of_today(evaluation)):
        # The salt makes the ids in the SVG, and so the page, reproducible.
        with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
            drawn[name] = export(name, title, draw())
    return drawn


def confusion_name(mode: str) -> str:
    """Return the name of the confusion matrix of a mode."""
    return f"confusion-{mode}"


def _of_scores(evaluation: Mapping[str, Any]) -> Iterator[_Plan]:
    modes = evaluation.get("modes") or {}
    titles = (title_of(evaluation, OURS), title_of(evaluation, BASELINE))
    if curve := evaluation.get("curve"):
        baseline = evaluation.get("baseline_curve")
        yield "curve", "Precision against recall", partial(draw_curves, curve, baseline, modes, titles)
    if histogram := evaluation.get("histogram"):
        yield "histogram", "Number of messages by score", partial(draw_histogram, histogram, modes)
    if bins := (evaluation.get("calibration") or {}).get("bins"):
        yield "reliability", "Reliability: share of spam by score", partial(draw_reliability, bins)
    for name, mode in modes.items():
        if "confusion" in mode:
            yield (
                confusion_name(name),
                f"Confusion matrix, mode {name}",
                partial(draw_confusion, name, mode["confusion"]),
            )


def _of_rates(evaluation: Mapping[str, Any]) -> Iterator[_Plan]:
    titles = (title_of(evaluation, OURS), title_of(evaluation, BASELINE))
    rates = {name: headline(evaluation, name) for name in (OURS, *evaluation["systems"])}
    if rows := [Bar(title_of(evaluation, name), rate) for name, rate in rates.items() if is_measured(rate)]:
        what = METRICS["recall_at_fpr_0.1pct"]
        yield "systems", what[0].upper() + what[1:], partial(draw_intervals, rows)
    for group in disguises(evaluation):
        if rows := _disguised(group.entries, partial(goal_of, evaluation=evaluation)):
            draw = partial(draw_bars, rows, titles, label="recall: share of spam caught", digits=1, whole=True)
            yield group.name, f"Recall under disguise, {group.title}", draw


def _of_today(evaluation: Mapping[str, Any]) -> Iterator[_Plan]:
    titles = (title_of(evaluation, OURS), title_of(evaluation, BASELINE))
    today = evaluation.get("today") or {}
    notices = today.get("notices") or {"kinds": (), "evasion": ()}
    if rows := rows_of_kinds(notices["kinds"], "HAM"):
        draw = partial(draw_kinds, rows, titles, label="share of ham called spam")
        yield "kinds-ham", "False-positive rate by kind of notice, with number of messages", draw
    if rows := rows_of_kinds(notices["kinds"], "SPAM"):
        draw = partial(draw_kinds, rows, titles, label="recall: share of spam caught")
        yield "kinds-spam", "Recall by kind of notice, with number of messages", draw
    if rows := _disguised(notices["evasion"], lambda each: each["clean_low"]):
        draw = partial(draw_bars, rows, titles, label="recall: share of spam caught", digits=1, whole=True)
        yield "evasion-notices", "Recall of disguised notices, medium on keywords", draw
    if rows := list(_controlled(today.get("controls") or ())):
        draw = partial(draw_bars, rows, titles, label="share of ham called spam", digits=2, whole=False)
        yield "controls", "False-positive rate on harmless controls", draw


def _disguised(entries: Sequence[Mapping[str, Any]], goal: Callable[[Mapping[str, Any]], float | None]) -> list[Bar]:
    return [
        Bar(label(each), each["recall"], _baseline(each), each.get("clean_recall"), goal(each))
        for each in entries
        if is_measured(each["recall"])
    ]


def _controlled(controls: Sequence[Mapping[str, Any]]) -> Iterator[Bar]:
    for each in controls:
        if is_measured(each["false_positive_rate"]):
            yield Bar(f"{each['id']} {each['title']}", each["false_positive_rate"], _baseline(each))


def _baseline(entry: Mapping[str, Any]) -> Mapping[str, Any] | None:
    rate = entry.get("baseline")
    return rate if is_measured(rate) else None
