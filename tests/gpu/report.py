"""The results of a run as text: what the command prints, and what documents quote."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.gpu.parts import OK
from tests.gpu.settings import SHAPES

_NOTE = 100  # characters of a reason in the table
SPEEDS = ("engine", "without tokenising", "with tokenising", "one message, p50", "cold start", "host memory",
          "GPU memory", "share of peak", "largest score difference", "label flips")  # fmt: skip
PARITY = ("variant", "messages", "largest logit difference", "largest score difference", "mean", "label flips")


def summary(results: Mapping[str, Any]) -> str:
    """Return the table of all parts, and one of the speeds of each shape, in columns of text."""
    parts = [["part", "status", "seconds", "reason"]]
    parts += [
        [name, part["status"], f"{part['seconds']:.0f}", part["reason"][:_NOTE]]
        for name, part in results["parts"].items()
    ]
    tables = [parts, *([list(SPEEDS), *rows] for rows in (speeds(results, shape) for shape in SHAPES) if rows)]
    return "\n\n".join("\n".join(_columns(table)) for table in tables)


def speeds(results: Mapping[str, Any], shape: str) -> list[list[str]]:
    """Return one row per engine that was timed on a shape, with the columns of :data:`SPEEDS`."""
    rows = []
    for name, part in results["parts"].items():
        figures = part["figures"]
        if name.startswith(f"speed {shape} ") and part["status"] == OK:
            best = max(figures.get("without_tokenising", {"": None}).items(), key=lambda way: way[1] or 0)[1]
            rows.append(
                [
                    figures["title"],
                    _rate(best),
                    _rate(max(figures["with_tokenising"].values())),
                    f"{figures['one_message_ms']['p50']:.2f} ms",
                    f"{figures['cold_start_s']:.1f} s",
                    f"{figures['peak_memory_mib']:.0f} MiB",
                    "" if figures["gpu_memory_mib"] is None else f"{figures['gpu_memory_mib']:.0f} MiB",
                    _share(results, figures, best),
                    f"{figures['max_abs_dp']:.2g}",
                    f"{figures['flips']}",
                ]
            )
    return rows


def parity(results: Mapping[str, Any], shape: str) -> list[list[str]]:
    """Return one row per variant and set of messages of a shape, with the columns of :data:`PARITY`."""
    variants = results["parts"].get(f"inference {shape}", {"figures": {}})["figures"].get("variants", {})
    return [
        [
            name,
            f"{rows}, {found['n']}",
            f"{found['max_abs_dlogit']:.1e}",
            f"{found['max_abs_dp']:.5f}",
            f"{found['mean_abs_dp']:.6f}",
            f"{found['flips']}",
        ]
        for name, variant in variants.items()
        for rows, found in variant["sets"].items()
    ]


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _share(results: Mapping[str, Any], figures: Mapping[str, Any], best: float | None) -> str:
    """Return the arithmetic of the model in relation to the fastest fp16 product that was measured on the card."""
    peaks = results["parts"].get("device", {"figures": {}})["figures"].get("peaks", {})
    if best is None or "float16" not in peaks:
        return ""
    return f"{best * figures['operations_per_message'] / peaks['float16']['operations_per_s']:.0%}"


def _columns(table: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
