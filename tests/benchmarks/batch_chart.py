"""Draw the memory of a batch job."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CURVES = {
    "tree_mib": ("all processes", "#c1440e"),
    "workers_mib": ("workers", "#8a9a9f"),
    "parent_mib": ("parent", "#3b6ea5"),
}


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Draw peak resident memory against processed rows, with the memory axis from zero."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(8, 4), layout="constrained")
    points = results["curve"]
    rows = [point["rows"] for point in points]
    for name, (label, colour) in _CURVES.items():
        sizes = [point[name] for point in points]
        panel.plot(rows, sizes, color=colour, marker="o", markersize=4, linewidth=1.5, label=label)
    panel.set_ylim(0, 1.2 * panel.get_ylim()[1])
    panel.set_xlabel("rows")
    panel.set_ylabel("resident memory, MiB")
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    title = f"spam-edge batch, {results['settings']['workers']} workers, bundle {results['model']['name']}"
    panel.set_title(f"{title}; {results['machine']['processor']}", fontsize="medium")
    panel.legend(fontsize="small", frameon=False)
    panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
