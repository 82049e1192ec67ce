"""Draw one point with its interval per kind of notice, the baseline beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from spam_edge.decision.intervals import clopper_pearson
from tests.evaluation.report.bars import Bar
from tests.evaluation.report.drawing import OURS, PEER, WIDTH, legend_below, whiskers
from tests.evaluation.report.wording import is_measured

BALANCED = "balanced"
RATES = {"HAM": "false_positive_rate", "SPAM": "recall"}
"""Rate of the messages of each label."""
_FEW = 20
"""Messages. Smaller kinds are pooled into one row, because their intervals are too wide to be useful."""


def rows_of_kinds(kinds: Sequence[Mapping[str, Any]], label: str) -> list[Bar]:
    """Return the kinds of a label, the worst first; small kinds are pooled into the last row."""
    some = [each for each in kinds if each["label"] == label and is_measured(each["modes"][BALANCED])]
    many = [each for each in some if each["modes"][BALANCED]["n"] >= _FEW]
    few = [each for each in some if each["modes"][BALANCED]["n"] < _FEW]
    sign = 1 if label == "SPAM" else -1
    ordered = sorted(many, key=lambda each: (sign * each["modes"][BALANCED]["value"], each["kind"]))
    rows = [
        Bar(_name(each["kind"], each["modes"][BALANCED]), each["modes"][BALANCED], each["baseline"]) for each in ordered
    ]
    if few:
        ours, theirs = _pooled([each["modes"][BALANCED] for each in few]), _pooled([each["baseline"] for each in few])
        rows.append(Bar(_name("other kinds", ours), ours, theirs))
    return rows


def draw_kinds(rows: Sequence[Bar], titles: tuple[str, str], *, label: str) -> Figure:
    """Draw a point with its interval per kind, and a smaller point for the baseline.

    Args:
        rows: from top to bottom.
        titles: names of ours and of the baseline.
        label: label of the axis.
    """
    figure = Figure(figsize=(WIDTH, 0.22 * len(rows) + 1.2), layout="constrained")
    axes = figure.subplots()
    places = range(len(rows))
    theirs = [(place, row.baseline["value"]) for place, row in enumerate(rows) if row.baseline is not None]
    if theirs:
        axes.plot([value for _, value in theirs], [place for place, _ in theirs], "s", color=PEER, markersize=4,
                  label=titles[1], clip_on=False)  # fmt: skip
    axes.errorbar(
        [row.ours["value"] for row in rows],
        list(places),
        xerr=whiskers([row.ours for row in rows]),
        fmt="o",
        color=OURS,
        markersize=4.5,
        elinewidth=1,
        capsize=1.5,
        label=titles[0],
        clip_on=False,
    )
    axes.set_yticks(places, [row.label for row in rows], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.grid(axis="x")
    axes.set_xlabel(label)
    legend_below(figure, axes)
    return figure


def _name(kind: str, rate: Mapping[str, Any]) -> str:
    return f"{kind.replace('-', ' ')}, {rate['n']}"


def _pooled(rates: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    n = sum(rate["n"] for rate in rates)
    hits = sum(round(rate["value"] * rate["n"]) for rate in rates)
    low, high = clopper_pearson(hits, n)
    return {"value": hits / n, "low": low, "high": high, "n": n}
