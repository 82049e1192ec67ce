"""Colours, style and export of all pictures: a PNG, and an SVG in the colours of the page."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

OURS, PEER, HAM, GOAL, INK, LINE = "#c1440e", "#8a9a9f", "#3b6ea5", "#2e7d4f", "#222222", "#dddddd"
WIDTH = 4.6
"""Inches. Narrow, so that the text stays readable when a phone scales the picture down."""
_OF_THE_PAGE = {OURS: "ours", PEER: "peer", HAM: "ham", GOAL: "goal", INK: "ink", LINE: "line"}
STYLE: Mapping[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=[INK]),
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar sign in a title is not the start of a formula
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as PNG and as SVG.

    Attributes:
        name: file name without extension.
        title: caption and accessible label.
        png: on white, for use outside the page.
        svg: element for the page, with the colours and font of the page.
    """

    name: str
    title: str
    png: bytes
    svg: str


def export(name: str, title: str, figure: Figure) -> Picture:
    """Render a figure as PNG and as SVG."""
    image, vector = io.BytesIO(), io.StringIO()
    figure.savefig(image, format="png", dpi=160, facecolor="white")
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(vector, format="svg", transparent=True, metadata=nothing)
    return Picture(name, title, image.getvalue(), _for_the_page(name, vector.getvalue()))


def _for_the_page(name: str, svg: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    # All pictures of a page share one id namespace.
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    for colour, variable in _OF_THE_PAGE.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg


def whiskers(rates: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """Return the distances from the values to the ends of their intervals, shape (2, rates), as matplotlib expects."""
    below = [max(0.0, rate["value"] - rate["low"]) for rate in rates]
    above = [max(0.0, rate["high"] - rate["value"]) for rate in rates]
    return [below, above]


def legend_below(figure: Figure, axes: Axes, *, marker_scale: float = 1) -> None:
    """Put the legend below the axes, where it covers no data: bars before lines and markers."""
    handles, names = axes.get_legend_handles_labels()
    order = sorted(range(len(names)), key=lambda number: isinstance(handles[number], Line2D))
    figure.legend(
        [handles[number] for number in order],
        [names[number] for number in order],
        loc="outside lower left",
        ncols=2,
        markerscale=marker_scale,
    )
