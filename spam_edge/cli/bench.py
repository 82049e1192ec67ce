"""The command ``spam-edge bench``."""

import sys
from pathlib import Path
from typing import Any

import click

from spam_edge.cli.console import Console, hint_at_keyboard, is_terminal, note, show, show_json
from spam_edge.cli.options import RuntimeChoice, examples, reading_options, runtime_options
from spam_edge.cli.tables import bench_lines
from spam_edge.readers import windows
from spam_edge.readers.windows import ReadOptions


@click.command(
    short_help="Find the fastest settings on this machine.",
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
    help=f"Measure the first {windows.WINDOW:,} messages of this file [default: the golden messages of the bundle].",
)
@reading_options
@click.option(
    "--seconds",
    type=click.IntRange(0, 3600),
    default=15,
    show_default=True,
    help="Time limit of the measurement; 0 measures one round.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@runtime_options
def bench(*, runtime: RuntimeChoice, path: Path | None, seconds: int, as_json: bool, **reading: Any) -> None:
    """Find the fastest settings on this machine, and print the options that select them.

    Measures each variant for the device with several numbers of threads: many messages per call, and one. Then
    measures several batch sizes with the best of these. Settings are timed in interleaved rounds. A setting is
    recommended over the default only if its slowest round beats the fastest round of the default, and its median is
    more than 5 % faster. Options set on the command line are not varied. Messages per second refer to distinct
    messages of mean length; a file with duplicates runs faster.

    In JSON, "best" holds the arguments of RuntimeOptions.
    """
    from spam_edge.bench.run import run_bench  # noqa: PLC0415
    from spam_edge.bench.workload import read_texts  # noqa: PLC0415
    from spam_edge.bundle.golden import GOLDEN_NAME, Golden  # noqa: PLC0415

    options, read_options = runtime.options(), ReadOptions(**reading)
    bundle = runtime.find()
    if path is None:
        texts, source = Golden.read(bundle).texts, GOLDEN_NAME
    else:
        hint_at_keyboard([path])
        (texts, bad), source = read_texts(path, read_options), windows.display_name(path)
        if bad:
            note(f"{bad:,} rows of {source} cannot be read and are skipped")
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
        console.advance(1000 * seconds)  # fill the bar
    if as_json:
        show_json(report.to_dict())
    else:
        show(bench_lines(report))
