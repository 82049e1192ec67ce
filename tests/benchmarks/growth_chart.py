"""Draw growth: time on the left, memory on the right, one row per growing quantity."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_COLOURS = ("#c1440e", "#8a9a9f", "#3b6ea5", "#d9a441", "#333333")


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Draw time against messages, tokens and characters, each beside the memory of its points."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    messages, tokens, characters = (results[table] for table in ("messages", "tokens", "characters"))
    kinds = characters[0]["ms"]
    rows: list[tuple[str, str, Sequence[Any], dict[str, list[float]]]] = [
        (
            "messages in a stream",
            "ms per message",
            messages,
            {"classify_stream": [1000 * point["seconds"] / point["size"] for point in messages]},
        ),
        (
            "tokens of a message",
            "ms",
            tokens,
            {
                "one message at a time": [point["single_ms"] for point in tokens],
                "per message of one call with many": [point["batch_ms"] for point in tokens],
            },
        ),
        (
            "characters of a message",
            "ms to tokenise",
            characters,
            {kind: [point["ms"][kind] for point in characters] for kind in kinds},
        ),
    ]
    figure, panels = pyplot.subplots(len(rows), 2, figsize=(12, 4 * len(rows)), squeeze=False, layout="constrained")
    for (left, right), (name, unit, points, curves) in zip(panels, rows, strict=True):
        sizes = [point["size"] for point in points]
        _lines(left, sizes, curves, name=name, title=f"time by {name}", unit=unit)
        memory = {"peak": [point["peak_mib"] for point in points]}
        memory["model loaded"] = [point["loaded_mib"] for point in points]
        _lines(right, sizes, memory, name=name, title=f"resident memory by {name}", unit="MiB")
        # Constant quantities are drawn from zero, so that a change of one per cent does not look steep.
        for panel in (left, right) if points is messages else (right,):
            panel.set_ylim(0, 1.2 * panel.get_ylim()[1])
        if points is not messages:
            left.set_yscale("log")
    machine = results["machine"]
    figure.suptitle(f"{machine['processor']}, {machine['threads']} threads", fontsize="medium")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _lines(
    panel: Any, sizes: list[int], curves: Mapping[str, list[float]], *, name: str, title: str, unit: str
) -> None:
    for colour, (label, values) in zip(_COLOURS, curves.items(), strict=False):
        panel.plot(sizes, values, color=colour, marker="o", markersize=4, linewidth=1.5, label=label)
    panel.set_xscale("log")
    panel.set_xlabel(name)
    panel.set_ylabel(unit)
    panel.set_title(title, fontsize="medium")
    panel.legend(fontsize="small", frameon=False)
    panel.spines[["top", "right"]].set_visible(False)
