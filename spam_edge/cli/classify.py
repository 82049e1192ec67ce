"""The command ``spam-edge classify``."""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from spam_edge.cli import writers
from spam_edge.cli.console import Console, hint_at_keyboard, is_terminal, note, reading_bar, standard_output
from spam_edge.cli.options import (
    RuntimeChoice,
    checked_reading,
    decision_options,
    examples,
    reading_options,
    runtime_options,
    spreadsheet_option,
)
from spam_edge.cli.screening import Screening, Tally
from spam_edge.errors import InputError
from spam_edge.escapes import one_line
from spam_edge.readers import windows
from spam_edge.readers.windows import STDIN, ReadOptions

if TYPE_CHECKING:
    from spam_edge.classifier import SpamClassifier

SPAM_FOUND = 3
_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_OTHER_SUFFIXES = {".tsv", ".json", ".parquet", ".xlsx", ".xls", ".ods", ".gz", ".zst", ".bz2", ".xz", ".zip"}


@click.command(
    short_help="Classify messages as spam or ham.",
    epilog=examples(
        "spam-edge classify messages.txt",
        "tail -f incoming.log | spam-edge classify --only spam",
        "spam-edge classify export.csv --text-column body --output verdicts.csv",
        "spam-edge classify --fail-on-spam mail/*.eml",
        "spam-edge classify --input-format whatsapp chat.txt",
        "spam-edge classify --max-fpr 0.01 messages.txt",
        "spam-edge classify --unsure --only unsure messages.txt",
    ),
)
@click.argument("files", nargs=-1, type=click.Path(allow_dash=True, path_type=Path))
@reading_options
@click.option("--whole-file", is_flag=True, help="Read each file as one message.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(writers.FORMATS),
    help="Output format  [default: by the suffix of --output, else text].",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path),
    help="Output file, created or replaced only when the run is complete.",
)
@spreadsheet_option
@decision_options
@click.option("--only", metavar="LABEL", help="Write only messages with this label: spam, ham or unsure.")
@click.option("--summary", is_flag=True, help="Print counts and speed to standard error at the end.")
@click.option("--fail-on-spam", is_flag=True, help=f"Exit with {SPAM_FOUND} if spam is found.")
@runtime_options
def classify(
    *,
    files: tuple[Path, ...],
    runtime: RuntimeChoice,
    output_format: str | None,
    output: Path | None,
    spreadsheet_safe: bool,
    only: str | None,
    summary: bool,
    fail_on_spam: bool,
    **reading: Any,
) -> None:
    """Classify messages as spam or ham.

    Messages come from FILES, or from standard input without FILES or for "-": one per line of text; one per row of CSV
    and TSV (with a header row), JSON Lines and Parquet; those of exports: .xml of SMS Backup & Restore, .json of
    Telegram, text of WhatsApp (--input-format whatsapp); mails (.eml). Each message gets a label and a score, the
    probability of spam, in input order. The text format escapes control characters, and so does csv on a terminal; use
    jsonl or csv for further processing.

    A bad row is reported with its place and skipped. An unreadable file is reported, and the next one is read.
    Either way the exit code is 1, which takes precedence over that of --fail-on-spam. With --output, bad rows do not
    affect the other verdicts, but an unreadable file, or a run without any readable row, leaves the output file
    unchanged.
    """
    runtime.options()  # contradicting options come before unreadable files
    output_format = output_format or _format_of(output)
    if spreadsheet_safe and output_format != "csv":
        raise click.UsageError("--spreadsheet-safe is for --format csv: add that option")
    paths = files or (STDIN,)
    output = None if output == STDIN else output
    keep_going = output is None and len(paths) > 1
    read_options = checked_reading(**reading)
    _check_files(paths, output, keep_going=keep_going)
    classifier = runtime.load()
    runtime.note(classifier.operating_point, classifier.manifest)
    label = _label(only, classifier.labels)
    with _console(paths, read_options, output) as console, _destination(output) as stream:
        screening = Screening(
            classifier=classifier,
            reading=read_options,
            write=_writer(
                output_format, stream, classifier.labels, places=len(paths) > 1, spreadsheet_safe=spreadsheet_safe
            ),
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


def _format_of(output: Path | None) -> str:
    """Return the format that the suffix of the output names.

    Raises:
        UsageError: it names a format that is not written.
    """
    suffix = output.suffix.lower() if output else ""
    if suffix in _OTHER_SUFFIXES:
        raise click.UsageError(
            f"--output {output} has the suffix of a format that classify does not write; name a .txt, .csv or .jsonl "
            "file, or use spam-edge batch"
        )
    return _SUFFIXES.get(suffix, "text")


def _check_files(paths: Sequence[Path], output: Path | None, *, keep_going: bool) -> None:
    """Check inputs and output before the model is loaded.

    Raises:
        UsageError: the folder of the output does not exist, or the output is an input.
        InputError: an input cannot be read, unless the run keeps going.
    """
    if output is not None:
        if not output.name or output.is_dir():
            raise click.UsageError(f"--output {str(output)!r} is a folder; name a file in it")
        if not output.absolute().parent.is_dir():
            raise click.UsageError(f"the folder of --output {output} does not exist; create it")
        if any(path.exists() and output.exists() and path.samefile(output) for path in paths):
            raise click.UsageError(f"--output {output} is one of the inputs; name another file")
    elif same := next((path for path in paths if _is_output(path)), None):
        raise InputError(f"{windows.display_name(same)} is the standard output, too; send the verdicts elsewhere")
    if not keep_going:
        for path in paths:
            windows.check_readable(path)


def _is_output(path: Path) -> bool:
    """Whether a path is the regular file that standard output appends to."""
    try:
        status = os.fstat(sys.stdout.fileno())
        return stat.S_ISREG(status.st_mode) and os.path.samestat(status, path.stat())
    except (OSError, ValueError, AttributeError):  # no such file, or no file behind standard output
        return False


def _label(wanted: str | None, labels: Sequence[str]) -> str | None:
    if wanted is None:
        return None
    for label in labels:
        if label.lower() == wanted.lower():
            return label
    raise click.UsageError(f"--only takes a label of this model: {', '.join(labels)}, not {wanted!r}")


def _console(paths: Sequence[Path], reading: ReadOptions, output: Path | None) -> Console:
    hint_at_keyboard(paths)
    # Verdicts on the same terminal would garble the bar.
    garbled = output is None and is_terminal(sys.stdout)
    return Console() if garbled else reading_bar(paths, reading)


@contextmanager
def _destination(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        stream = standard_output()
        if stream is None:
            raise click.ClickException("standard output is closed; name a file with --output")
        yield stream
        return
    from spam_edge.atomic import atomic_file  # noqa: PLC0415

    with atomic_file(output) as stream:
        yield stream


def _writer(
    name: str, stream: IO[str], labels: Sequence[str], *, places: bool, spreadsheet_safe: bool
) -> writers.Writer:
    if name == "jsonl":
        return writers.jsonl_writer(stream)
    if name == "csv":
        return writers.csv_writer(stream, spreadsheet_safe=spreadsheet_safe, escaped=is_terminal(stream))
    if not is_terminal(stream) or os.environ.get("NO_COLOR"):
        return writers.text_writer(stream, places=places)
    colours = dict(zip(labels, ("green", "red", "yellow"), strict=False))
    return writers.text_writer(
        stream, places=places, style=lambda label: click.style(one_line(label), fg=colours[label])
    )


def _report(tally: Tally, classifier: "SpamClassifier", *, summary: bool, note_truncation: bool) -> None:
    if tally.truncated and note_truncation:
        from spam_edge.cli.tables import truncation_note  # noqa: PLC0415

        note(truncation_note(tally.truncated, classifier.manifest.max_length))
    if summary:
        from spam_edge.cli.tables import summary_lines  # noqa: PLC0415

        for line in summary_lines(tally, classifier.labels):
            note(line)
    if tally.failure:
        raise InputError(tally.failure)
