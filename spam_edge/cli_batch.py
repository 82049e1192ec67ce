"""The command ``spam-edge batch``."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from spam_edge.cli_base import (
    INTERRUPTED,
    DecisionChoice,
    RuntimeChoice,
    decision_options,
    examples,
    reading_options,
    runtime_options,
)
from spam_edge.console import Console
from spam_edge.errors import JobError
from spam_edge.records import STDIN, ReadOptions

if TYPE_CHECKING:
    from spam_edge.batch import BatchJob, BatchReport, OpenEngine, Progress

TERMINATED = 143
FORMATS = ("parquet", "csv", "csv.gz", "csv.zst", "tsv", "tsv.gz", "tsv.zst", "jsonl", "jsonl.gz", "jsonl.zst")
ENGINES = ("local", "ray", "spark")


class _Terminated(BaseException):
    """SIGTERM came."""


@click.command(
    short_help="Classify tables of messages, resumably.",
    epilog=examples(
        "spam-edge batch messages.parquet --output verdicts.parquet",
        "spam-edge batch 'inbox/**/*.jsonl.zst' --output verdicts --resume --on-error skip",
        "spam-edge batch messages.parquet --output verdicts.parquet --mode low-false-positive",
        "spam-edge batch export.csv --text-column body -o verdicts --format parquet --report report.json",
        "RAY_ADDRESS=10.0.0.1:6379 spam-edge batch inbox --output verdicts --engine ray",
    ),
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="File, if it ends like a format (.parquet, .csv, .jsonl.gz, ...), else folder for one file per part.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(FORMATS),
    metavar="NAME",
    help=f"Format in a folder: {', '.join(FORMATS)} [default: that of the first input].",
)
@reading_options
@click.option("--column-prefix", default="", metavar="TEXT", help="Put before the names of the columns that are added.")
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip", "null"]),
    default="fail",
    show_default=True,
    help="At a row that cannot be read: stop, leave it out, or keep its place without a verdict.",
)
@decision_options
@click.option(
    "--part-rows",
    type=click.IntRange(min=1),
    default=50_000,
    show_default=True,
    help="Most rows of a part, which is what a job that dies loses at most.",
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="local",
    show_default=True,
    help="Where: on this machine, or on the Ray or Spark that the environment names.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes [default: as cores, of the cluster too, and memory allow]."
)
@click.option("--resume", is_flag=True, help="Go on with a job that did not come to its end.")
@click.option("--force", is_flag=True, help="Replace what an earlier job wrote.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help='Write counts and speed to this file as JSON; "-" is standard output.',
)
@click.option("--quiet", is_flag=True, help="Print no summary and no progress.")
@runtime_options
def batch(
    *,
    runtime: RuntimeChoice,
    decision: DecisionChoice,
    report: Path | None,
    quiet: bool,
    engine: str,
    input_format: str | None,
    text_column: str | None,
    encoding: str,
    **options: Any,
) -> None:
    """Classify tables of messages: CSV, TSV, JSON Lines (also .gz and .zst) and Parquet; files, folders and globs.

    What comes out has all columns of the input and three more: label, spam_score and truncated. It is written in
    parts. A job that died goes on with --resume where it stopped; the result is the same to the byte. Rows that
    cannot be read are listed in rejects.jsonl, unless the job is to fail at the first. Needs pyarrow.
    """
    batch_job, open_engine = _job_class(), _engine(engine)
    if options["resume"] and options["force"]:
        raise click.UsageError("--resume goes on with a job and --force throws it away: choose one")
    job = batch_job(
        bundle=runtime.model,
        runtime=runtime.options(decision),
        reading=ReadOptions(input_format=input_format, text_column=text_column, encoding=encoding),
        report=None if report == STDIN else report,
        **options,
    )
    if decision != DecisionChoice() and not quiet:
        _note_decision(job, decision)
    done = _run(job, open_engine, quiet=quiet)
    _write_report(done, report)
    if not quiet:
        if done.already_finished:
            click.echo(f"{done.output} is finished already; nothing was done", err=True)
        click.echo("\n".join(done.lines()), err=True)


def _note_decision(job: "BatchJob", decision: DecisionChoice) -> None:
    from spam_edge.bundle import Bundle  # noqa: PLC0415
    from spam_edge.operating_points import OperatingPoint  # noqa: PLC0415

    bundle = Bundle.find(job.bundle)
    decision.note(OperatingPoint.of(bundle, job.runtime), bundle.manifest)


def _job_class() -> "type[BatchJob]":
    try:
        from spam_edge.batch import BatchJob  # noqa: PLC0415 - numpy and pyarrow are slow to import
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "pyarrow":
            raise
        raise JobError("batch jobs need pyarrow; pip install 'spam-edge[batch]'") from error
    return BatchJob


def _engine(name: str) -> "OpenEngine":
    from spam_edge.batch import engine_named  # noqa: PLC0415

    return engine_named(name)


def _run(job: "BatchJob", open_engine: "OpenEngine", *, quiet: bool) -> "BatchReport":
    context = click.get_current_context()
    visible = not quiet and sys.stderr is not None and sys.stderr.isatty()
    try:
        with _sigterm(), _Bar(visible=visible) as bar:
            return job.run(open_engine=open_engine, progress=bar.show if visible else None)
    except KeyboardInterrupt:
        click.echo("\nInterrupted; --resume goes on with the job", err=True)
        context.exit(INTERRUPTED)
    except _Terminated:
        click.echo("Terminated; --resume goes on with the job", err=True)
        context.exit(TERMINATED)


class _Bar:
    """A progress bar that begins when it is known how much there is to do."""

    def __init__(self, *, visible: bool) -> None:
        self._visible = visible
        self._console: Console | None = None
        self._bytes = 0

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *error: object) -> None:
        if self._console is not None:
            self._console.__exit__(None, None, None)

    def show(self, progress: "Progress") -> None:
        """Move it on."""
        if self._console is None:
            self._console = Console(progress.total_bytes, label="Classifying").__enter__()
        rate = progress.rows / progress.seconds if progress.seconds else 0
        self._console.advance(progress.bytes - self._bytes, f"{progress.rows:,} rows, {rate:,.0f} rows/s")
        self._bytes = progress.bytes


@contextmanager
def _sigterm() -> Iterator[None]:
    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _write_report(report: "BatchReport", path: Path | None) -> None:
    from spam_edge.batch.writing import write_text  # noqa: PLC0415 - needs pyarrow

    if path is None:
        return
    content = json.dumps(report.to_dict(), indent=2)
    if path == STDIN:
        click.echo(content)
        return
    with write_text(path) as stream:
        stream.write(content + "\n")
