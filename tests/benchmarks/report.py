"""Format the figures as Markdown, for readers and for docs/benchmarks.md.

python -m tests.benchmarks.report [--brief] artifacts/benchmark/benchmark.json
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.engines.base import MODES


def markdown(results: Mapping[str, Any]) -> str:
    """Return the whole report."""
    return "\n".join(_lines(results)) + "\n"


def brief(results: Mapping[str, Any]) -> str:
    """Return the excerpt for docs/benchmarks.md: one table per shape, and the ratios."""
    return "\n".join(_brief_lines(results)) + "\n"


def _brief_lines(results: Mapping[str, Any]) -> Iterator[str]:
    header = ["engine", "messages/s", "one message, p50", "cold start", "memory", "share of peak", "score difference"]
    for shape in results["shapes"].values():
        rows = [
            [
                figures["title"],
                f"{figures['best']['median']:.4g}",
                f"{figures['one_message_ms']['p50']:.2f} ms",
                f"{figures['cold_start_s']['median']:.2f} s",
                f"{figures['peak_memory_mib']:.0f} MiB",
                f"{figures['share_of_peak']:.0%}",
                f"{figures['difference']['max_abs_dp']:.2g}",
            ]
            for figures in shape["engines"].values()
            if figures["status"] == "ok"
        ]
        yield from (f"{shape['name']}, {shape['model']['dim']} wide:", "")
        yield from (*_table(header, rows), "")
    names = list({name: None for shape in results["shapes"].values() for name in shape["ratios"]})
    shapes = results["shapes"].values()
    rows = [[name, *(_two_digits(shape["ratios"].get(name)) for shape in shapes)] for name in names]
    yield from _table(["spam-edge", *(shape["name"] for shape in shapes)], rows)


def _two_digits(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    machine, settings = results["machine"], results["settings"]
    versions = ", ".join(f"{name} {found}" for name, found in machine["versions"].items())
    yield (
        f"{machine['processor']} ({', '.join(machine['units'])}), {machine['threads']} of {machine['cpus']} CPUs, "
        f"OMP_WAIT_POLICY {machine['wait_policy']}."
    )
    yield f"Python {machine['python']}, {versions}."
    yield (
        f"Interleaved rounds: {settings['rounds']}, each engine in a new process per round; medians, with minimum "
        "and maximum in brackets; one untimed warm-up pass."
    )
    for name, peak in results["roofline"].items():
        shape = " x ".join(map(str, peak["shape"]))
        yield f"- peak {name}: {peak['operations_per_s'] / 1e9:.0f} G operations/s ({peak['library']}, {shape})"
    for shape in results["shapes"].values():
        yield from _shape(shape)
    yield ""
    yield f"{results['formula']}"
    for mode, meaning in MODES.items():
        yield f"- {mode}: {meaning}"


def _shape(shape: Mapping[str, Any]) -> Iterator[str]:
    model, corpus = shape["model"], shape["corpus"]
    done = {name: figures for name, figures in shape["engines"].items() if figures["status"] == "ok"}
    yield ""
    yield f"## {shape['name']}: {model['dim']} wide, {model['n_layers']} layers; {model['weights']}"
    yield ""
    yield (
        f"{corpus['texts']} messages ({corpus['source']}), {corpus['mean_tokens']:.1f} tokens each, "
        f"{corpus['operations_per_text'] / 1e9:.2f} G operations per message."
    )
    yield ""
    yield from _table(["engine", *_COLUMNS], [[figures["title"], *_row(figures)] for figures in done.values()])
    yield ""
    yield from _table(["spam-edge", "ratio"], [[what, f"{ratio:.2f}"] for what, ratio in shape["ratios"].items()])
    yield ""
    for figures in shape["engines"].values():
        yield f"- {figures['title']}: {_remark(figures)}"


_COLUMNS = (
    "messages/s, best mode",
    "mode",
    "corpus order",
    "sorted",
    "one message p50 / p95 / p99 (ms)",
    "cold start (s)",
    "memory: one message, all (MiB)",
    "size (MB)",
    "share of peak",
    "max score difference, flips",
)


def _row(figures: Mapping[str, Any]) -> list[str]:
    modes, one, cold = figures["texts_per_s"], figures["one_message_ms"], figures["cold_start_s"]
    compared = figures["difference"]
    return [
        f"{figures['best']['median']:.4g} ({figures['best']['min']:.4g}-{figures['best']['max']:.4g})",
        figures["best_mode"],
        *(f"{modes[mode]['median']:.4g}" if mode in modes else "" for mode in ("corpus order", "sorted")),
        f"{one['p50']:.2f} / {one['p95']:.2f} / {one['p99']:.2f}",
        f"{cold['median']:.2f} ({cold['min']:.2f}-{cold['max']:.2f})",
        f"{figures['first_message_mib']:.0f}, {figures['peak_memory_mib']:.0f}",
        f"{figures['bytes'] / 1e6:.1f}",
        f"{figures['share_of_peak']:.0%}",
        f"{compared['max_abs_dp']:.2g}, {compared['flips']} of {figures['texts']}",
    ]


def _remark(figures: Mapping[str, Any]) -> str:
    if figures["status"] != "ok":
        return f"{figures['status']}: {figures['reason']}"
    return "; ".join(filter(None, (figures["settings"], figures["detail"])))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *rows)]


if __name__ == "__main__":
    form = brief if "--brief" in sys.argv[1:] else markdown
    print(form(json.loads(Path(sys.argv[-1]).read_bytes())), end="")
