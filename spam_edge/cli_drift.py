"""The command ``spam-edge drift``."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spam_edge.cli_base import (
    RuntimeChoice,
    checked_reading,
    examples,
    hint_at_keyboard,
    reading_bar,
    reading_options,
    runtime_options,
)
from spam_edge.errors import InputError
from spam_edge.records import STDIN
from spam_edge.screening import Screening

if TYPE_CHECKING:
    from spam_edge.drift import DriftReport, Shares
    from spam_edge.writers import Verdict

DRIFTED = 4


@click.command(
    short_help="Compare new messages with those the thresholds were chosen on.",
    epilog=examples(
        "spam-edge drift today.txt",
        "spam-edge drift inbox.parquet --text-column body --json",
        "spam-edge drift --fail-on-drift week.csv",
    ),
)
@click.argument("files", nargs=-1, type=click.Path(allow_dash=True, path_type=Path))
@reading_options
@click.option("--whole-file", is_flag=True, help="Take each file for one message.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--fail-on-drift", is_flag=True, help=f"Exit with {DRIFTED} when the verdict is to retrain.")
@runtime_options
def drift(
    *, runtime: RuntimeChoice, files: tuple[Path, ...], as_json: bool, fail_on_drift: bool, **reading: Any
) -> None:
    """Say whether new messages get the scores that messages of the validation split got.

    Messages are read as by classify. Their scores are compared with the validation scores in the bundle by the
    population stability index (PSI) over bins that hold a tenth of these each: below 0.1 is stable, below 0.25 worth
    watching, and more means that the model sees other messages than it was made for: label a sample and retrain. Where
    a sample of this size from the same distribution could come to as much by chance, there are too few to say.

    The labels are not known, so that this says nothing of errors; more spam than before is drift, too, and so is one
    campaign sent a thousand times, which validation counts once. Only counts are kept in memory. Whatever the verdict,
    the exit code is 0, unless --fail-on-drift says otherwise; it is 1 where something could not be read.
    """
    from spam_edge.classifier import SpamClassifier  # noqa: PLC0415
    from spam_edge.drift import DriftMonitor  # noqa: PLC0415

    paths, read_options = files or (STDIN,), checked_reading(**reading)
    classifier = SpamClassifier.load(runtime.model, runtime.options())
    monitor = DriftMonitor.of(classifier)

    def count(verdicts: "Iterable[Verdict]") -> None:
        monitor.add([prediction.score for _, prediction in verdicts])

    hint_at_keyboard(paths)
    with reading_bar(paths, read_options) as console:
        tally = Screening(
            classifier=classifier, reading=read_options, write=count, watcher=console, keep_going=len(paths) > 1
        ).run(paths)
    report = monitor.report()
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else "\n".join(_lines(report)))
    if tally.failure:
        raise InputError(tally.failure)
    if fail_on_drift and report.drifted:
        click.get_current_context().exit(DRIFTED)


def _lines(report: "DriftReport") -> Iterator[str]:
    yield f"{'':<12}{'now':>10}{'validation':>12}"
    yield f"{'messages':<12}{report.now.n:>10,}{report.validation.n:>12,}"
    yield f"{'spam':<12}{report.now.spam:>10.1%}{report.validation.spam:>12.1%}"
    yield f"{'unsure':<12}{_unsure(report.now):>10}{_unsure(report.validation):>12}"
    yield f"{'PSI':<12}{report.psi:>10.3f}  up to {report.chance:.3f} may be chance with so many messages"
    yield f"{'verdict':<12}{report.verdict}"


def _unsure(shares: "Shares") -> str:
    return "-" if shares.unsure is None else f"{shares.unsure:.1%}"
