"""The command line, ``spam-edge``. Data goes to standard output, everything else to standard error.

Whatever needs numpy or onnxruntime is imported inside the commands, so that help and shell completion do
not wait for it.
"""

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from spam_edge import __version__, records, writers
from spam_edge.cli_base import (
    DecisionChoice,
    ErrorGroup,
    RuntimeChoice,
    checked_reading,
    decision_options,
    examples,
    hint_at_keyboard,
    is_terminal,
    note_rate,
    reading_bar,
    reading_options,
    runtime_options,
)
from spam_edge.console import Console
from spam_edge.errors import InputError
from spam_edge.records import STDIN, ReadOptions
from spam_edge.reports import bench_lines, check_lines, info_lines, summary_lines, truncation_note
from spam_edge.screening import Screening, Tally

if TYPE_CHECKING:
    from spam_edge.classifier import SpamClassifier

SPAM_FOUND = 3


_ELSEWHERE = ("batch", "drift", "explain")
"""Commands with a module of their own, which `classify` does not wait for."""


class _Commands(ErrorGroup):
    """The commands of this file and those elsewhere."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _ELSEWHERE:
            command: click.Command = getattr(import_module(f"spam_edge.cli_{cmd_name}"), cmd_name)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "spam-edge classify messages.txt",
        "tail -f incoming.log | spam-edge classify --only spam",
        "spam-edge verify",
        "",
        'Shell completion: eval "$(_SPAM_EDGE_COMPLETE=bash_source spam-edge)" (or zsh_source, fish_source)',
    ),
)
@click.version_option(__version__, prog_name="spam-edge")
def main() -> None:
    """Tell spam from ham with a small model that runs on this machine, without a network."""


@main.command(
    epilog=examples(
        "spam-edge classify messages.txt",
        "tail -f incoming.log | spam-edge classify --only spam",
        "spam-edge classify export.csv --text-column body --format csv --output verdicts.csv",
        "spam-edge classify --whole-file --fail-on-spam mail/*.eml",
        "spam-edge classify --max-fpr 0.002 messages.txt",
        "spam-edge classify --unsure --only unsure messages.txt",
    )
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
    note_rate(classifier.operating_point, decision.max_fpr)
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


@main.command(
    short_help="Show which model runs here.",
    epilog=examples("spam-edge info", "spam-edge info --model artifacts/bundle --json"),
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@runtime_options
def info(*, runtime: RuntimeChoice, as_json: bool) -> None:
    """Show which model runs here: bundle, digest, variant, provider, threads, thresholds, versions."""
    from spam_edge.classifier import SpamClassifier  # noqa: PLC0415

    description = SpamClassifier.load(runtime.model, runtime.options()).describe()
    click.echo(json.dumps(description, indent=2) if as_json else "\n".join(info_lines(description)))


@main.command(
    short_help="Check the bundle on this machine.",
    epilog=examples("spam-edge verify", "spam-edge verify --variant fp32 --json"),
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@runtime_options
def verify(*, runtime: RuntimeChoice, as_json: bool) -> None:
    """Check that the bundle is whole and gives on this machine the verdicts measured at export.

    Hashes every file, then replays the golden messages and compares with what PyTorch said of them. Exits with 1
    when a check fails.
    """
    from spam_edge.verification import verify_bundle  # noqa: PLC0415

    report = verify_bundle(runtime.model, runtime.options())
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else "\n".join(check_lines(report)))
    if not report.ok:
        click.get_current_context().exit(1)


@main.command(
    short_help="Measure which settings are fastest here.",
    epilog=examples(
        "spam-edge bench",
        "spam-edge bench --file messages.csv --text-column body --seconds 60",
        "spam-edge bench --variant int8 --json",
    ),
)
@click.option(
    "--file",
    "path",
    type=click.Path(allow_dash=True, path_type=Path),
    help=f"Take the first {records.WINDOW:,} messages of this file [default: the golden messages of the bundle].",
)
@reading_options
@click.option(
    "--seconds",
    type=click.IntRange(0, 3600),
    default=15,
    show_default=True,
    help="How long it may take; with 0 there is one round.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@runtime_options
def bench(*, runtime: RuntimeChoice, path: Path | None, seconds: int, as_json: bool, **reading: Any) -> None:
    """Measure on this machine which settings are fastest, and say how to ask for them.

    First each file of the bundle that is meant for the device, with several numbers of threads: many messages in a
    call, and one. Then, for the best of these, batches of several sizes. The settings take turns, in rounds. Another
    setting than the default is recommended only where its slowest round beats the fastest round of the default, and
    by more than 5 % in the median. Options that are given are kept and not varied. Messages per second count messages
    of mean length that all differ; a file in which messages repeat goes faster.

    In JSON, "best" holds the arguments of RuntimeOptions.
    """
    from spam_edge.bench.run import run_bench  # noqa: PLC0415
    from spam_edge.bench.workload import read_texts  # noqa: PLC0415
    from spam_edge.bundle import Bundle  # noqa: PLC0415
    from spam_edge.verification import GOLDEN_NAME, Golden  # noqa: PLC0415

    options, read_options = runtime.options(), ReadOptions(**reading)
    bundle = Bundle.find(runtime.model)
    if path is None:
        texts, source = Golden.read(bundle).texts, GOLDEN_NAME
    else:
        hint_at_keyboard([path])
        (texts, bad), source = read_texts(path, read_options), records.display_name(path)
        if bad:
            click.echo(f"{bad:,} rows of {source} cannot be read and are left out", err=True)
    bar = Console(1000 * seconds or 1, label="Measuring") if is_terminal(sys.stderr) else Console()
    with bar as console:
        report = run_bench(
            bundle,
            options,
            texts,
            source=source,
            seconds=seconds,
            progress=lambda passed: console.advance(round(1000 * passed)),
        )
        console.advance(1000 * seconds)  # whatever is left
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else "\n".join(bench_lines(report)))


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
