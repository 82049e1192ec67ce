"""The command ``spam-edge batch``."""

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spam_edge.cli.console import Console, note, show_json
from spam_edge.cli.errors import INTERRUPTED
from spam_edge.cli.options import (
    RuntimeChoice,
    decision_options,
    examples,
    reading_options,
    runtime_options,
    spreadsheet_option,
)
from spam_edge.errors import JobError
from spam_edge.readers.windows import STDIN, ReadOptions
from spam_edge.signals import Terminated

if TYPE_CHECKING:
    from spam_edge.batch import BatchJob, BatchReport, OpenEngine, Progress

FORMATS = ("parquet", "csv", "csv.gz", "csv.zst", "tsv", "tsv.gz", "tsv.zst", "jsonl", "jsonl.gz", "jsonl.zst")
ENGINES = ("local", "ray", "spark")


@click.command(
    short_help="Classify tables of messages, in resumable jobs.",
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
    help="File if the suffix is a format (.parquet, .csv, .jsonl.gz, ...), else folder with one file per part.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(FORMATS),
    metavar="NAME",
    help=f"Format of the parts in a folder: {', '.join(FORMATS)} [default: that of the first input].",
)
@reading_options
@spreadsheet_option
@click.option("--column-prefix", default="", metavar="TEXT", help="Prefix of the names of the added columns.")
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip", "null"]),
    default="fail",
    show_default=True,
    help="At a bad row: stop, omit it, or keep it without a verdict.",
)
@decision_options
@click.option(
    "--part-rows",
    type=click.IntRange(min=1),
    default=50_000,
    show_default=True,
    help="Maximum rows per part. Only finished parts survive a crash.",
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="local",
    show_default=True,
    help="Run on this machine, or on the Ray or Spark set in the environment.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Number of workers [default: by cores and memory, or by cluster]."
)
@click.option("--resume", is_flag=True, help="Continue an unfinished job.")
@click.option("--force", is_flag=True, help="Replace the output of an earlier job.")
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
    report: Path | None,
    quiet: bool,
    engine: str,
    input_format: str | None,
    text_column: str | None,
    encoding: str,
    delimiter: str | None,
    long_cells: bool,
    **options: Any,
) -> None:
    """Classify tables of messages: files, folders or globs of CSV, TSV, JSON Lines (also .gz, .zst) and Parquet.

    Exports of messengers (.xml of SMS Backup & Restore, .json of Telegram, text of WhatsApp) are inputs if they are
    named as files or globs.

    The output has all columns of the input and three more: label, spam_score and truncated. It is written in parts.
    After a crash, --resume continues where the job stopped; the result is bit-identical. With --on-error skip or
    null, bad rows are listed in rejects.jsonl. Needs pyarrow.
    """
    batch_job, open_engine = _job_class(), _engine(engine)
    if options["resume"] and options["force"]:
        raise click.UsageError("--resume continues a job and --force replaces it: choose one")
    job = batch_job(
        bundle=runtime.find().path,
        runtime=runtime.options(),
        reading=ReadOptions(
            input_format=input_format,
            text_column=text_column,
            encoding=encoding,
            delimiter=delimiter,
            long_cells=long_cells,
        ),
        report=None if report == STDIN else report,
        **options,
    )
    if runtime.chooses_threshold and not quiet:
        _note_threshold(job, runtime)
    done = _run(job, open_engine, quiet=quiet)
    _write_report(done, report)
    if not quiet:
        if done.already_finished:
            note(f"{done.output} is already finished; nothing to do")
        for line in done.lines():
            note(line)


def _note_threshold(job: "BatchJob", runtime: RuntimeChoice) -> None:
    from spam_edge.bundle.locate import Bundle  # noqa: PLC0415
    from spam_edge.decision.operating_points import OperatingPoint  # noqa: PLC0415

    bundle = Bundle.find(job.bundle)
    runtime.note(OperatingPoint.of(bundle, job.runtime), bundle.manifest)


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
        with _Bar(visible=visible) as bar:
            return job.run(open_engine=open_engine, progress=bar.show if visible else None)
    except KeyboardInterrupt:
        note("")  # the terminal has printed ^C
        note("Interrupted; --resume continues the job")
        context.exit(INTERRUPTED)
    except Terminated:
        with suppress(OSError):  # the terminal may have gone
            note("Terminated; --resume continues the job")
        raise


class _Bar:
    """A progress bar that appears with the first progress, when the total is known."""

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
        """Update the bar."""
        if self._console is None:
            self._console = Console(progress.total_bytes, label="Classifying").__enter__()
        rate = progress.rows / progress.seconds if progress.seconds else 0
        self._console.advance(progress.bytes - self._bytes, f"{progress.rows:,} rows, {rate:,.0f} rows/s")
        self._bytes = progress.bytes


def _write_report(report: "BatchReport", path: Path | None) -> None:
    from spam_edge.batch.writing.files import write_text  # noqa: PLC0415 - needs pyarrow

    if path is None:
        return
    if path == STDIN:
        show_json(report.to_dict())
        return
    with write_text(path, follow_link=True) as stream:
        stream.write(json.dumps(report.to_dict(), indent=2) + "\n")
