"""The command ``spam-edge classify``."""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from spam_edge import records, writers
from spam_edge.cli_base import (
    DecisionChoice,
    RuntimeChoice,
    checked_reading,
    decision_options,
    examples,
    hint_at_keyboard,
    is_terminal,
    reading_bar,
    reading_options,
    runtime_options,
)
from spam_edge.console import Console
from spam_edge.errors import InputError
from spam_edge.records import STDIN, ReadOptions
from spam_edge.reports import summary_lines, truncation_note
from spam_edge.screening import Screening, Tally

if TYPE_CHECKING:
    from spam_edge.classifier import SpamClassifier

SPAM_FOUND = 3


@click.command(
    short_help="Say of each message whether it is spam.",
    epilog=examples(
        "spam-edge classify messages.txt",
        "tail -f incoming.log | spam-edge classify --only spam",
        "spam-edge classify export.csv --text-column body --format csv --output verdicts.csv",
        "spam-edge classify --whole-file --fail-on-spam mail/*.eml",
        "spam-edge classify --max-fpr 0.01 messages.txt",
        "spam-edge classify --unsure --only unsure messages.txt",
    ),
)
@click.argument("files", nargs=-1, type=click.Path(allow_dash=True, path_type=Path))
@reading_options
@click.option("--whole-file", is_flag=True, help="Take each file for one message.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(writers.FORMATS),
    default="text",
    show_default=True,
    help="What to write.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path),
    help="Write to this file, which appears or is replaced only when the run is complete.",
)
@decision_options
@click.option("--only", metavar="LABEL", help="Write the messages with this label alone: spam, ham or unsure.")
@click.option("--summary", is_flag=True, help="Print counts and speed to standard error at the end.")
@click.option("--fail-on-spam", is_flag=True, help=f"Exit with {SPAM_FOUND} when there is spam.")
@runtime_options
def classify(
    *,
    files: tuple[Path, ...],
    runtime: RuntimeChoice,
    output_format: str,
    output: Path | None,
    decision: DecisionChoice,
    only: str | None,
    summary: bool,
    fail_on_spam: bool,
    **reading: Any,
) -> None:
    """Say of each message whether it is spam.

    Messages come from FILES or, without any or for "-", from standard input: one per line of text, or one per
    row of CSV, TSV (both with a header row), JSON Lines and Parquet. Each gets its label and its score, the
    probability of spam, in the order of the input. In the text format, control characters in a message are shown
    as escapes; use jsonl or csv to process the verdicts further.

    A row that cannot be read is reported with its place and left out; a file that cannot be read is reported and
    the next one is taken. Either way the exit code is 1. With --output a bad row does not keep the other verdicts
    from being written, but if a whole file, or every row, cannot be read, then the output file stays as it was.
    Exit code 1 goes before that of --fail-on-spam.
    """
    from spam_edge.classifier import SpamClassifier  # noqa: PLC0415

    options = runtime.options(decision)
    paths = files or (STDIN,)
    output = None if output == STDIN else output
    keep_going = output is None and len(paths) > 1
    read_options = checked_reading(**reading)
    _check_files(paths, output, keep_going=keep_going)
    classifier = SpamClassifier.load(runtime.model, options)
    decision.note(classifier.operating_point, classifier.manifest)
    label = _label(only, classifier.labels)
    with _console(paths, read_options, output) as console, _destination(output) as stream:
        screening = Screening(
            classifier=classifier,
            reading=read_options,
            write=_writer(output_format, stream, classifier.labels, places=len(paths) > 1),
            watcher=console,
            only=label,
            keep_going=keep_going,
        )
        tally = screening.run(paths)
        if output and tally.bad and not tally.messages:
            raise InputError(f"{tally.failure}; {output} was not written")
    _report(tally, classifier, summary=summary, note_truncation=output_format == "text")
    if fail_on_spam and tally.labels[classifier.manifest.positive_label]:
        click.get_current_context().exit(SPAM_FOUND)


def _check_files(paths: Sequence[Path], output: Path | None, *, keep_going: bool) -> None:
    """Find out before the model is loaded what would end the run anyway."""
    if output is not None:
        if not output.absolute().parent.is_dir():
            raise click.UsageError(f"the folder of --output {output} does not exist")
        if any(path.exists() and output.exists() and path.samefile(output) for path in paths):
            raise click.UsageError(f"--output {output} is one of the inputs")
    if not keep_going:
        for path in paths:
            records.check_readable(path)


def _label(wanted: str | None, labels: Sequence[str]) -> str | None:
    if wanted is None:
        return None
    for label in labels:
        if label.lower() == wanted.lower():
            return label
    raise click.UsageError(f"--only takes a label of this model: {', '.join(labels)}, not {wanted!r}")


def _console(paths: Sequence[Path], reading: ReadOptions, output: Path | None) -> Console:
    hint_at_keyboard(paths)
    # Verdicts on the same terminal would run into the bar.
    garbled = output is None and is_terminal(sys.stdout)
    return Console() if garbled else reading_bar(paths, reading)


@contextmanager
def _destination(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        if sys.stdout is None:
            raise click.ClickException("standard output is closed; name a file with --output")
        if isinstance(sys.stdout, io.TextIOWrapper):  # whatever the locale says, data is UTF-8
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        yield sys.stdout
        return
    from spam_edge.atomic import atomic_file  # noqa: PLC0415

    with atomic_file(output) as stream:
        yield stream


def _writer(name: str, stream: IO[str], labels: Sequence[str], *, places: bool) -> writers.Writer:
    if name == "jsonl":
        return writers.jsonl_writer(stream)
    if name == "csv":
        return writers.csv_writer(stream)
    if not is_terminal(stream) or os.environ.get("NO_COLOR"):
        return writers.text_writer(stream, places=places)
    colours = dict(zip(labels, ("green", "red", "yellow"), strict=False))
    return writers.text_writer(stream, places=places, style=lambda label: click.style(label, fg=colours[label]))


def _report(tally: Tally, classifier: "SpamClassifier", *, summary: bool, note_truncation: bool) -> None:
    if tally.truncated and note_truncation:
        click.echo(truncation_note(tally.truncated, classifier.manifest.max_length), err=True)
    if summary:
        click.echo("\n".join(summary_lines(tally, classifier.labels)), err=True)
    if tally.failure:
        raise InputError(tally.failure)
