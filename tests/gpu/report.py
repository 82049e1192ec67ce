"""The results of a run as text: what the command prints, and what documents quote."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.gpu.parts import LATE, OK
from tests.gpu.settings import OWN_SETS, SHAPES

_NOTE = 100  # characters of a reason in the table
SPEEDS = ("engine", "tokens on the GPU", "tokens on the host", "texts", "one message, p50", "cold start", "host memory",
          "GPU memory", "share of peak", "largest score difference", "label flips")  # fmt: skip
"""The second to the fourth column are in messages/s."""
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
    """Return one row per engine that was timed on a shape, with the columns of :data:`SPEEDS`.

    A part that was stopped has the figures that it saved.
    """
    rows = []
    for name, part in results["parts"].items():
        figures = part["figures"]
        if name.startswith(f"speed {shape} ") and part["status"] in {OK, LATE} and "title" in figures:
            rates = {"device": figures.get("on_the_device")}
            rates |= {kind: best(figures, kind) for kind in ("without_tokenising", "with_tokenising")}
            rows.append(
                [
                    figures["title"],
                    *(_number(rate, ",.0f") for rate in rates.values()),
                    _number(figures.get("one_message_ms", {}).get("p50"), ".2f", " ms"),
                    _number(figures.get("cold_start_s"), ".1f", " s"),
                    _number(figures.get("peak_memory_mib"), ".0f", " MiB"),
                    _number(figures.get("gpu_memory_mib"), ".0f", " MiB"),
                    _share(
                        results,
                        figures,
                        max(filter(None, (rates["device"], rates["without_tokenising"])), default=None),
                    ),
                    _number(figures.get("max_abs_dp"), ".2g"),
                    _number(figures.get("flips"), "d"),
                ]
            )
    return rows


def best(figures: Mapping[str, Any], kind: str) -> float | None:
    """Return the messages/s with the fastest batching; None if they were not measured."""
    return max(figures.get(kind, {}).values(), default=None)


def parity(results: Mapping[str, Any], shape: str) -> list[list[str]]:
    """Return rows with the columns of :data:`PARITY`: variants by set of messages, the labelled files together."""
    variants = results["parts"].get(f"inference {shape}", {"figures": {}})["figures"].get("variants", {})
    return [
        [
            name,
            f"{rows}, {found['n']:,}",
            f"{found['max_abs_dlogit']:.1e}",
            f"{found['max_abs_dp']:.1e}",
            f"{found['mean_abs_dp']:.1e}",
            f"{found['flips']}",
        ]
        for name, variant in variants.items()
        for rows, found in _together(variant["sets"]).items()
    ]


def _together(sets: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the sets that every run has, and one of all others."""
    own = {name: found for name, found in sets.items() if name in OWN_SETS}
    others = [found for name, found in sets.items() if name not in OWN_SETS]
    if not others:
        return own
    n = sum(found["n"] for found in others)
    return own | {
        "labelled files": {
            "n": n,
            "mean_abs_dp": sum(found["mean_abs_dp"] * found["n"] for found in others) / n,
            "flips": sum(found["flips"] for found in others),
            **{name: max(found[name] for found in others) for name in ("max_abs_dlogit", "max_abs_dp")},
        }
    }


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "" if value is None else f"{value:{form}}{unit}"


def _share(results: Mapping[str, Any], figures: Mapping[str, Any], rate: float | None) -> str:
    """Return the arithmetic of the model in relation to the fastest fp16 product that was measured on the card."""
    peaks = results["parts"].get("device", {"figures": {}})["figures"].get("peaks", {})
    if rate is None or "float16" not in peaks:
        return ""
    return f"{rate * figures['operations_per_message'] / peaks['float16']['operations_per_s']:.0%}"


def _columns(table: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
