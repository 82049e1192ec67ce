"""Human-readable tables: run summary, bundle information, verification and benchmark."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spam_edge.bundle.metrics import RATES
from spam_edge.cli.screening import Tally
from spam_edge.decision.intervals import rate_text
from spam_edge.escapes import one_line

if TYPE_CHECKING:
    from spam_edge.bench.figures import Choice, Figures
    from spam_edge.bench.run import BenchReport
    from spam_edge.diagnostics.report import VerificationReport

_WIDTH = 80


def summary_lines(tally: Tally, labels: Sequence[str]) -> Iterator[str]:
    """Yield the summary of a run: messages, labels with shares, skipped rows and speed."""
    yield f"{'messages':<12}{tally.messages:>10,}"
    for label in labels:
        share = tally.labels[label] / tally.messages if tally.messages else 0.0
        yield f"{label:<12}{tally.labels[label]:>10,}{share:>8.1%}"
    counts = {"bad rows": tally.bad, "blank lines": tally.blank}
    for name, count in (counts | {"truncated": tally.truncated, "disguised": tally.disguised}).items():
        yield f"{name:<12}{count:>10,}"
    if tally.rescored is not None:
        share = tally.rescored / tally.messages if tally.messages else 0.0
        yield f"{'rescored':<12}{tally.rescored:>10,}{share:>8.1%}"
    rate = tally.messages / tally.seconds if tally.seconds else 0.0
    yield f"{'seconds':<12}{tally.seconds:>10.2f}{rate:>12,.0f} messages/s"


def truncation_note(count: int, max_length: int) -> str:
    """Return a note on the number of truncated messages."""
    if count == 1:
        return f"1 message was longer than {max_length} tokens; only its beginning was read"
    return f"{count:,} messages were longer than {max_length} tokens; only their beginning was read"


def info_lines(description: Mapping[str, Any]) -> Iterator[str]:
    """Yield the entries of ``SpamClassifier.describe()``, each mode and each control set, 80 columns wide.

    A path or another word that is longer is not broken.
    """
    width = max(map(len, description)) + 2
    for name, value in description.items():
        if name not in {"modes", "unsure", "controls", "gpu"}:
            yield from _entry(name.replace("_", " "), [_shown(value)], width)
    yield from _mode_lines(description["modes"])
    if unsure := description["unsure"]:
        yield from _entry("unsure", [f"{name} {rate_text(rate)}" for name, rate in unsure.items()])
    for name, control in description["controls"].items():
        yield from _entry(f"control {name}", [f"called spam {rate_text(control)}", control["title"]])
    if gpu := description["gpu"]:
        scores = f"scores differ from PyTorch by at most {gpu['max_abs_dp']:.4f}"
        labels = f"{gpu['flips']:,} of {gpu['n']:,} labels differ"
        yield from _entry("gpu", [f"{gpu['card']}, {gpu['date']}", scores, labels])


def _mode_lines(modes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of each mode: threshold, and the rates on both tracks of the test split."""
    for mode, figures in modes.items():
        same = f", the same as {figures['same_as']}" if figures["same_as"] else ""
        yield from _entry(f"mode {mode}", [f"threshold {figures['threshold']:.4f}{same}"])
        for track, measured in {"on the corpus": figures, "on the notices": figures["today"]}.items():
            rates = [f"{name.replace('_', ' ')} {rate_text(measured[name])}" for name in RATES if name in measured]
            if rates:
                yield from _entry(f"  {track}", rates)


def _entry(name: str, parts: Sequence[str], indent: int = 25) -> Iterator[str]:
    """Yield the lines of an entry: its name, and its parts filled to the width, each unbroken if it fits on a line."""
    name, room = one_line(name), _WIDTH - indent
    lines = [""]
    for part in map(one_line, parts):
        if lines[-1] and len(lines[-1]) + len(part) + 2 <= room:
            lines[-1] += f"; {part}"
        else:
            lines += [part] if len(part) <= room else _wrapped(part, room)
    yield f"{name:<{indent - 2}}  {lines[1]}"
    yield from (f"{'':<{indent}}{line}" for line in lines[2:])


def _wrapped(part: str, room: int) -> list[str]:
    return textwrap.wrap(part, room, break_long_words=False, break_on_hyphens=False) or [""]


def check_lines(report: "VerificationReport") -> Iterator[str]:
    """Yield one line per check, with failures marked."""
    width = max((len(check.name) for check in report.checks), default=0) + 2
    for check in report.checks:
        yield f"{'ok' if check.ok else 'FAILED':<8}{check.name:<{width}}{check.detail}".rstrip()


def bench_lines(report: "BenchReport") -> Iterator[str]:
    """Yield the workload, one table per choice, and the recommended settings."""
    workload, description = report.workload, report.description
    repeated = len(workload.texts) > workload.given
    messages = f"{len(workload.texts):,} messages of {workload.mean_tokens:.1f} tokens on average"
    origin = f"{workload.given:,} distinct ones from {report.source}" + (
        ", repeated with other words" if repeated else ""
    )
    yield f"{'messages':<12}{messages}: {origin}"
    chosen = description["instructions"]
    yield f"{'processor':<12}{description['processor']}{f'; fused uses {chosen}' if chosen else ''}"
    yield f"{'provider':<12}{description['provider']}"
    rounds = [len(choice.best.rates) for choice in (report.settings, report.token_budgets)]
    yield f"{'rounds':<12}{rounds[0]} of the first table, {rounds[1]} of the second, in {report.seconds:.1f} s"
    yield ""
    yield from _choice_lines(report.settings)
    for name, reason in report.skipped.items():
        yield f"{name:<9}skipped: {reason}"
    yield ""
    yield from _choice_lines(report.token_budgets)
    yield ""
    yield f"{'settings':<12}{report.settings.reason}"
    yield f"{'batches':<12}{report.token_budgets.reason}"
    yield f"{'scores':<12}variants other than {report.best.variant} give different scores; see the model card"
    yield f"{'command':<12}{' '.join(['spam-edge classify', *report.flags])}"
    yield f"{'Python':<12}{report.expression}"
    if report.best is not report.token_budgets.default:
        yield f"{'':<12}(the command has no option for the token budget)"


def _choice_lines(choice: "Choice") -> Iterator[str]:
    """Yield a header and one line per setting, with the default and the best marked."""
    cells = [_cells(figures) for figures in choice.measured]
    header = {name: name for name in cells[0]}
    widths = {name: max(len(row[name]) for row in (header, *cells)) for name in header}
    marks = ["", *(_mark(figures, choice) for figures in choice.measured)]
    for row, mark in zip([header, *cells], marks, strict=True):
        first, *others = widths
        columns = (f"{row[name]:>{widths[name]}}" for name in others)
        yield "  ".join([f"{row[first]:<{widths[first]}}", *columns, mark]).rstrip()


def _cells(figures: "Figures") -> dict[str, str]:
    """Return the table cells of a setting, keyed by column name."""
    cells = {
        "variant": figures.variant,
        "threads": f"{figures.threads:,}",
        "token budget": f"{figures.token_budget:,}",
        "a call": f"{figures.call:,}",
        "messages/s": f"{figures.rate:,.0f}",
        "slowest": f"{min(figures.rates):,.0f}",
        "fastest": f"{max(figures.rates):,.0f}",
    }
    if figures.milliseconds:
        cells |= {name: f"{figures.percentile(share):.1f} ms" for name, share in (("1 message: p50", 50), ("p95", 95))}
    return cells


def _mark(figures: "Figures", choice: "Choice") -> str:
    names = {"default": choice.default, "best": choice.best}
    return ", ".join(name for name, marked in names.items() if marked is figures)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(entry)}" for name, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
