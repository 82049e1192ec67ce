"""The command ``spam-edge drift``."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spam_edge.cli.console import hint_at_keyboard, reading_bar, show, show_json
from spam_edge.cli.options import RuntimeChoice, checked_reading, examples, reading_options, runtime_options
from spam_edge.cli.screening import Screening
from spam_edge.errors import InputError
from spam_edge.readers.windows import STDIN

if TYPE_CHECKING:
    from spam_edge.cli.writers import Verdict
    from spam_edge.diagnostics.drift import DriftReport, Shares

DRIFTED = 4


@click.command(
    short_help="Compare the scores of new messages with the validation scores.",
    epilog=examples(
        "spam-edge drift today.txt",
        "spam-edge drift inbox.parquet --text-column body --json",
        "spam-edge drift --fail-on-drift week.csv",
    ),
)
@click.argument("files", nargs=-1, type=click.Path(allow_dash=True, path_type=Path))
@reading_options
@click.option("--whole-file", is_flag=True, help="Read each file as one message.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--fail-on-drift", is_flag=True, help=f"Exit with {DRIFTED} if the verdict is to retrain.")
@runtime_options
def drift(
    *, runtime: RuntimeChoice, files: tuple[Path, ...], as_json: bool, fail_on_drift: bool, **reading: Any
) -> None:
    """Compare the scores of new messages with those of the validation split.

    Messages are read as by classify. The measure is the population stability index (PSI) over the deciles of the
    validation scores in the bundle. Below 0.1 is stable, and below 0.25 is worth watching. A higher PSI means that the
    messages differ from those the model was made for: label a sample and retrain. If a sample of this size from the
    validation distribution could reach the PSI by chance, the verdict is "too few to say".

    Labels are not known, so errors are not measured. More spam than before is drift, too, and so is one campaign sent
    a thousand times, which validation counts once. Only counts are kept in memory. The exit code is 0 for every
    verdict, unless --fail-on-drift is set, and 1 if an input could not be read.
    """
    from spam_edge.diagnostics.drift import DriftMonitor  # noqa: PLC0415

    paths, read_options = files or (STDIN,), checked_reading(**reading)
    classifier = runtime.load()
    monitor = DriftMonitor.of(classifier)

    def count(verdicts: "Iterable[Verdict]") -> None:
        monitor.add([prediction.score for _, prediction in verdicts])

    hint_at_keyboard(paths)
    with reading_bar(paths, read_options) as console:
        tally = Screening(
            classifier=classifier, reading=read_options, write=count, watcher=console, keep_going=len(paths) > 1
        ).run(paths)
    report = monitor.report()
    if as_json:
        show_json(report.to_dict())
    else:
        show(_lines(report))
    if tally.failure:
        raise InputError(tally.failure)
    if fail_on_drift and report.drifted:
        click.get_current_context().exit(DRIFTED)


def _lines(report: "DriftReport") -> Iterator[str]:
    yield f"{'':<12}{'now':>10}{'validation':>12}"
    yield f"{'messages':<12}{report.now.n:>10,}{report.validation.n:>12,}"
    yield f"{'spam':<12}{report.now.spam:>10.1%}{report.validation.spam:>12.1%}"
    yield f"{'unsure':<12}{_unsure(report.now):>10}{_unsure(report.validation):>12}"
    yield f"{'PSI':<12}{report.psi:>10.3f}  up to {report.chance:.3f} may be chance for this number of messages"
    yield f"{'verdict':<12}{report.verdict}"


def _unsure(shares: "Shares") -> str:
    return "-" if shares.unsure is None else f"{shares.unsure:.1%}"
