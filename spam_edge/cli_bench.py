"""The command ``spam-edge bench``."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from spam_edge import records
from spam_edge.cli_base import (
    RuntimeChoice,
    examples,
    hint_at_keyboard,
    is_terminal,
    reading_options,
    runtime_options,
)
from spam_edge.console import Console
from spam_edge.records import ReadOptions
from spam_edge.reports import bench_lines


@click.command(
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
