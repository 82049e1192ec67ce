"""Draw the benchmark's figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.engines import OURS

_OURS, _PEER = "#c1440e", "#8a9a9f"


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Draw throughput and single-message latency, one row of panels per shape."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    shapes = list(results["shapes"].values())
    most = max(len(shape["engines"]) for shape in shapes)
    size = (12, (0.45 * most + 1.2) * len(shapes))
    figure, panels = pyplot.subplots(len(shapes), 2, figsize=size, squeeze=False, layout="constrained")
    for shape, (left, right) in zip(shapes, panels, strict=True):
        done = [each for each in shape["engines"].values() if each["status"] == "ok"]
        title = f"{shape['name']}, {shape['model']['dim']} wide"
        best = [(each["best"]["median"], each["best"]["min"], each["best"]["max"]) for each in done]
        _bars(left, done, best, title=f"{title}: messages per second", form="{:.0f}")
        one = [each["one_message_ms"] for each in done]
        rows = [(each["p50"], each["p50_min"], each["p50_max"]) for each in one]
        _bars(right, done, rows, title=f"{title}: one message, median, ms", form="{:.1f}")
        right.set_yticklabels([])
        right.set_xscale("log")  # from a few milliseconds to a second
    machine = results["machine"]
    figure.suptitle(f"{machine['processor']}, {machine['threads']} threads", fontsize="medium")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _bars(panel: Any, engines: list[Any], rows: list[tuple[float, float, float]], *, title: str, form: str) -> None:
    names = [f"{each['title']}" for each in engines]
    medians = [median for median, _, _ in rows]
    errors = [
        [max(0.0, median - low) for median, low, _ in rows],
        [max(0.0, high - median) for median, _, high in rows],
    ]
    colours = [_OURS if each["name"].startswith(OURS) else _PEER for each in engines]
    bars = panel.barh(range(len(names)), medians, xerr=errors, color=colours, error_kw={"elinewidth": 1, "capsize": 2})
    panel.bar_label(bars, labels=[form.format(median) for median in medians], padding=6, fontsize="small")
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.margins(x=0.15)
    panel.set_title(title, fontsize="medium")
    panel.spines[["top", "right"]].set_visible(False)
