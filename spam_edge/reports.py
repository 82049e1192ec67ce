"""Tables for people: the summary of a run, what runs here, what was verified, and what was measured."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spam_edge.screening import Tally

if TYPE_CHECKING:
    from spam_edge.bench.figures import Choice, Figures
    from spam_edge.bench.run import BenchReport
    from spam_edge.verification import VerificationReport

RATES = ("precision", "recall", "false_positive_rate")
"""What is measured of a mode."""


def summary_lines(tally: Tally, labels: Sequence[str]) -> Iterator[str]:
    """Yield the counts of a run: messages, each label with its share, what was left out, and the speed."""
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
    """Say that messages were cut."""
    if count == 1:
        return f"1 message was longer than {max_length} tokens; only its beginning was read"
    return f"{count:,} messages were longer than {max_length} tokens; only their beginning was read"


def info_lines(description: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line per entry of ``SpamClassifier.describe()``, and one for each mode and each kind of controls."""
    width = max(map(len, description)) + 2
    for name, value in description.items():
        if name not in {"modes", "unsure", "controls"}:
            yield f"{name.replace('_', ' '):<{width}}{_shown(value)}"
    yield from _mode_lines(description["modes"])
    if unsure := description["unsure"]:
        yield f"{'unsure':<26}" + "; ".join(f"{name} {rate_text(rate)}" for name, rate in unsure.items())
    for name, control in description["controls"].items():
        yield f"{f'control {name}':<26}called spam {rate_text(control)}; {control['title']}"


def rate_text(rate: Mapping[str, Any]) -> str:
    """Return a measured rate with its 95 % interval and what it is a rate of."""
    value = "-" if rate["value"] is None else f"{rate['value']:.2%}"
    return f"{value} ({rate['low']:.2%} to {rate['high']:.2%}, n {rate['n']:,})"


def _mode_lines(modes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield each mode: its threshold, and what was measured of it on the test split."""
    for mode, figures in modes.items():
        rates = (f"{name.replace('_', ' ')} {rate_text(figures[name])}" for name in RATES if name in figures)
        same = f", the same as {figures['same_as']}" if figures["same_as"] else ""
        yield "; ".join([f"{f'mode {mode}':<26}threshold {figures['threshold']:.4f}{same}", *rates])


def check_lines(report: "VerificationReport") -> Iterator[str]:
    """Yield one line per check, the failed ones marked."""
    width = max((len(check.name) for check in report.checks), default=0) + 2
    for check in report.checks:
        yield f"{'ok' if check.ok else 'FAILED':<8}{check.name:<{width}}{check.detail}".rstrip()


def bench_lines(report: "BenchReport") -> Iterator[str]:
    """Yield what was measured, a table for each choice, and the best settings."""
    workload, description = report.workload, report.description
    repeated = len(workload.texts) > workload.given
    messages = f"{len(workload.texts):,} messages of {workload.mean_tokens:.1f} tokens on average"
    origin = f"{workload.given:,} different ones of {report.source}" + (
        ", repeated with other words" if repeated else ""
    )
    yield f"{'messages':<12}{messages}: {origin}"
    yield f"{'processor':<12}{description['processor']}"
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
    yield f"{'scores':<12}those of other variants than {report.best.variant} differ, as the model card says"
    yield f"{'command':<12}{' '.join(['spam-edge classify', *report.flags])}"
    yield f"{'Python':<12}{report.expression}"
    if report.best is not report.token_budgets.default:
        yield f"{'':<12}(the command has no option for the token budget)"


def _choice_lines(choice: "Choice") -> Iterator[str]:
    """Yield a header and a line for each setting, the default and the best marked."""
    cells = [_cells(figures) for figures in choice.measured]
    header = {name: name for name in cells[0]}
    widths = {name: max(len(row[name]) for row in (header, *cells)) for name in header}
    marks = ["", *(_mark(figures, choice) for figures in choice.measured)]
    for row, mark in zip([header, *cells], marks, strict=True):
        first, *others = widths
        columns = (f"{row[name]:>{widths[name]}}" for name in others)
        yield "  ".join([f"{row[first]:<{widths[first]}}", *columns, mark]).rstrip()


def _cells(figures: "Figures") -> dict[str, str]:
    """Return what the columns say of a setting."""
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
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
