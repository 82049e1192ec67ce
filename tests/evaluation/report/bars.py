"""Draw rates with their intervals as bars and points, ours beside the baseline."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from tests.evaluation.report.drawing import GOAL, INK, OURS, PEER, WIDTH, legend_below, whiskers

_THICK = 0.36
_LABEL_WIDTH = 24
"""Characters. Longer labels are wrapped, so that the bars get more than half of the width."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: our rate, the baseline's, the recall of the same messages undisguised, and the goal."""

    label: str
    ours: Mapping[str, Any]
    baseline: Mapping[str, Any] | None = None
    clean: float | None = None
    goal: float | None = None


def draw_bars(rows: Sequence[Bar], titles: tuple[str, str], *, label: str, digits: int, whole: bool) -> Figure:
    """Draw two bars per row.

    Args:
        rows: from top to bottom.
        titles: names of ours and of the baseline.
        label: label of the axis.
        digits: decimals of the percentages.
        whole: extend the axis to 100 %; otherwise to the largest interval.
    """
    labels = [textwrap.fill(row.label, _LABEL_WIDTH) for row in rows]
    lines = max(label.count("\n") + 1 for label in labels)
    figure = Figure(figsize=(WIDTH, max(0.46, 0.18 * lines) * len(rows) + 1.3), layout="constrained")
    axes = figure.subplots()
    ours = [row.ours for row in rows]
    measured = [(place, row.baseline) for place, row in enumerate(rows) if row.baseline is not None]
    _bars(axes, [place - _THICK / 2 for place in range(len(rows))], ours, OURS, titles[0])
    _bars(axes, [place + _THICK / 2 for place, _ in measured], [rate for _, rate in measured], PEER, titles[1])
    _marks(axes, {place: row.clean for place, row in enumerate(rows)}, INK, "undisguised", "|")
    _marks(axes, {place - _THICK / 2: row.goal for place, row in enumerate(rows)}, GOAL, "goal", "D")
    end = 1.0 if whole else max(0.001, 1.1 * max(rate["high"] for rate in (*ours, *(rate for _, rate in measured))))
    axes.set_xlim(0, end)
    for place, rate in enumerate(ours):
        text = f" {100 * rate['value']:.{digits}f} %"
        axes.text(end, place - _THICK / 2, text, va="center", fontsize=8, clip_on=False)
    axes.set_yticks(range(len(rows)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(4 if digits > 1 else 5, steps=[1, 2, 5, 10]))
    axes.grid(axis="x")
    axes.set_xlabel(label)
    legend_below(figure, axes, marker_scale=0.6)
    return figure


def draw_intervals(rows: Sequence[Bar]) -> Figure:
    """Draw one point with its interval per row; the first row is ours."""
    figure = Figure(figsize=(WIDTH, 0.34 * len(rows) + 0.75), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        colour = PEER if place else OURS
        axes.errorbar(
            [row.ours["value"]], [place], xerr=whiskers([row.ours]), fmt="o", color=colour, capsize=3, markersize=6
        )
        axes.text(
            1, place, f" {100 * row.ours['value']:.1f} %", va="center", fontsize=9, transform=axes.get_yaxis_transform()
        )
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.grid(axis="x")
    return figure


def _bars(axes: Any, places: Sequence[float], rates: Sequence[Mapping[str, Any]], colour: str, title: str) -> None:
    if rates:
        values = [rate["value"] for rate in rates]
        style = {"elinewidth": 0.9, "capsize": 1.5, "ecolor": INK}
        axes.barh(places, values, _THICK, xerr=whiskers(rates), color=colour, error_kw=style, label=title)


def _marks(axes: Any, values: Mapping[float, float | None], colour: str, title: str, marker: str) -> None:
    found = {place: value for place, value in values.items() if value is not None}
    if found:
        size = 17 if marker == "|" else 5
        axes.plot(
            list(found.values()),
            list(found),
            marker,
            color=colour,
            markersize=size,
            label=title,
            clip_on=False,
            zorder=4,
        )
