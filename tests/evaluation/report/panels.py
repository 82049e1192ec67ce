"""Draw scores: precision-recall curve, histogram, reliability diagram, confusion matrix."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter, StrMethodFormatter
from scipy.stats import binomtest

from tests.evaluation.report.drawing import HAM, INK, LINE, OURS, PEER, WIDTH, legend_below, whiskers
from tests.evaluation.report.wording import is_measured

_MARKERS = ("o", "s", "^", "D", "v")


def draw_curves(
    curve: Mapping[str, Any],
    baseline: Mapping[str, Any] | None,
    modes: Mapping[str, Mapping[str, Any]],
    titles: tuple[str, str],
) -> Figure:
    """Draw precision against recall, with the modes and their intervals; the axes begin where the curves differ."""
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(curve["recall"], curve["precision"], color=OURS, linewidth=1.8, zorder=3, label=titles[0])
    if baseline:
        axes.plot(baseline["recall"], baseline["precision"], color=PEER, linewidth=1.4, label=titles[1])
    points = {
        name: (mode["precision"], mode["recall"])
        for name, mode in modes.items()
        if is_measured(mode.get("precision")) and is_measured(mode.get("recall"))
    }
    for marker, (name, (precision, recall)) in zip(_MARKERS, points.items(), strict=False):
        axes.errorbar(
            [recall["value"]],
            [precision["value"]],
            xerr=whiskers([recall]),
            yerr=whiskers([precision]),
            fmt=marker,
            zorder=4,
            color=INK,
            markersize=6,
            elinewidth=0.8,
            capsize=2,
            label=f"mode {name}",
        )
    ends = [rate["low"] for pair in points.values() for rate in pair]
    lowest = max(0.0, math.floor(10 * min([0.8, *ends])) / 10 - 0.1)
    axes.set(xlim=(lowest, 1.005), ylim=(lowest, 1.005), xlabel="recall: share of spam caught")
    axes.set_ylabel("precision: share of spam calls that are spam")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid()
    legend_below(figure, axes)
    return figure


def draw_histogram(histogram: Mapping[str, Any], modes: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw the number of messages by score, with the thresholds of the modes."""
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    for kind, colour in (("ham", HAM), ("spam", OURS)):
        axes.stairs(histogram[kind], histogram["edges"], fill=True, color=colour, alpha=0.35, baseline=0.5)
        axes.stairs(
            histogram[kind],
            histogram["edges"],
            color=colour,
            label=f"{kind}, n = {sum(histogram[kind]):,}",
            baseline=0.5,
        )
    for style, (name, mode) in zip(("--", ":", "-."), modes.items(), strict=False):
        folds = mode["threshold"] if isinstance(mode["threshold"], list) else [mode["threshold"]]
        axes.axvspan(min(folds), max(folds), color=INK, alpha=0.12, linewidth=0)
        axes.axvline(median(folds), color=INK, linewidth=0.9, linestyle=style, label=f"threshold {name}")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set(xlim=(histogram["edges"][0], histogram["edges"][-1]), xlabel="score", ylabel="messages (log scale)")
    axes.set_ylim(bottom=0.5)
    legend_below(figure, axes)
    return figure


def draw_reliability(bins: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the share of spam against the score, with Wilson intervals; empty bins are left out."""
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    axes = figure.subplots()
    filled = [each for each in bins if each["n"]]
    shares = [share_of_spam(each) for each in filled]
    axes.plot([0, 1], [0, 1], color=PEER, linewidth=1, linestyle="--", label="perfect calibration")
    axes.errorbar(
        [each["score"] for each in filled],
        [share["value"] for share in shares],
        yerr=whiskers(shares),
        fmt="o",
        color=OURS,
        markersize=5,
        elinewidth=1,
        capsize=2,
        label="bin with 95 % interval",
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="mean score of the bin", ylabel="share of spam in the bin")
    axes.grid()
    legend_below(figure, axes)
    return figure


def draw_confusion(name: str, counts: Mapping[str, int]) -> Figure:
    """Draw the confusion matrix of a mode, each cell shaded by its share of the row."""
    figure = Figure(figsize=(2.7, 2.5), layout="constrained")
    axes = figure.subplots()
    for row, cells in enumerate(((counts["tn"], counts["fp"]), (counts["fn"], counts["tp"]))):
        for column, count in enumerate(cells):
            share = count / max(1, sum(cells))
            colour = HAM if row == column else OURS
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, alpha=0.08 + 0.4 * share, edgecolor=LINE))
            axes.text(column + 0.5, row + 0.45, f"{count:,}", ha="center", va="center", fontsize=12)
            axes.text(column + 0.5, row + 0.72, f"{100 * share:.2f} %", ha="center", va="center", fontsize=8)
    axes.set(xlim=(0, 2), ylim=(2, 0), title=name)
    axes.set_xticks([0.5, 1.5], ["called ham", "called spam"])
    axes.set_yticks([0.5, 1.5], ["ham", "spam"])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def share_of_spam(each: Mapping[str, Any]) -> dict[str, float]:
    """Return the share of spam in a non-empty bin with its Wilson interval."""
    spam = round(each["spam"] * each["n"])
    interval = binomtest(spam, each["n"]).proportion_ci(method="wilson")
    return {"value": each["spam"], "low": float(interval.low), "high": float(interval.high), "n": each["n"]}
