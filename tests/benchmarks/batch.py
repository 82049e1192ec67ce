"""Measure speed and memory of batch jobs against a plain loop.

python -m tests.benchmarks.batch --bundle artifacts/bundle
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from spam_edge.resources import available_threads
from tests.benchmarks.conductor import write_json
from tests.benchmarks.generated import whole_words, write_table
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.processes import Observed, batch_command, loop_command, observe
from tests.benchmarks.summary import MIB, spread
from tests.benchmarks.turn import TurnError

QUICK = {"rows": 20_000, "rounds": 2}
LOOP = "loop"
CLUSTERS = ("ray", "spark")
"""Engines whose workers are not children of the job, so their CPU time is unknown."""
Command = Callable[[Path, Path, Path], list[str]]
ENGINES: dict[str, Command] = {
    LOOP: lambda bundle, source, _: loop_command(bundle, source, threads=2),
    "thread": lambda *places: batch_command(*places, "--workers", "1", "--threads", "2"),
    "processes": lambda *places: batch_command(*places, "--workers", "2", "--threads", "1"),
    "one loop": lambda bundle, source, _: loop_command(bundle, source, threads=1),
    "one": lambda *places: batch_command(*places, "--workers", "1", "--threads", "1"),
    "ray": lambda *places: batch_command(*places, "--workers", "2", "--threads", "1", "--engine", "ray"),
    "spark": lambda *places: batch_command(*places, "--workers", "2", "--threads", "1", "--engine", "spark"),
}
"""Engine -> function of bundle, input and output that returns the command. It prints JSON with ``rows`` and ``labels``.

All but ``one`` and ``one loop`` keep two cores busy. Compare these two with each other.
"""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--bundle", type=click.Path(path_type=Path), default=Path("artifacts/bundle"))
@click.option("--output", type=click.Path(path_type=Path), default=Path("artifacts/benchmark"), help="Output folder.")
@click.option("--rows", type=click.IntRange(1), default=200_000, help="Generated messages.")
@click.option("--rounds", type=click.IntRange(1), default=5, help="Turns per engine.")
@click.option(
    "--engine",
    "engines",
    type=click.Choice(list(ENGINES)),
    multiple=True,
    help="Engine to run; repeatable; default: all.",
)
@click.option("--seed", default=0, help="Seed of the messages.")
@click.option("--quick", is_flag=True, help=f"Few rows and rounds: {QUICK}. A first look, not for quoting.")
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """Print rows per second, CPU time and memory of a loop and of batch jobs; write batch.json.

    Each engine runs in a new process in each round, timed from start to end. Keep the machine quiet.
    """
    if options.pop("quick"):
        given = {name for name in QUICK if context.get_parameter_source(name) == ParameterSource.COMMANDLINE}
        options |= {name: value for name, value in QUICK.items() if name not in given}
    output: Path = options.pop("output")
    try:
        results = _measure(output / "batch.json", **options)
    except TurnError as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(_table(results)))
    click.echo(f"written to {output}: batch.json", err=True)


def _measure(path: Path, *, bundle: Path, rows: int, rounds: int, engines: Sequence[str], seed: int) -> dict[str, Any]:
    results: dict[str, Any] = {
        "machine": describe_machine(available_threads()),
        "settings": {"bundle": str(bundle), "rows": rows, "rounds": rounds, "seed": seed},
    }
    turns: dict[str, list[Observed]] = {name: [] for name in engines or ENGINES}
    with tempfile.TemporaryDirectory(prefix="spam-edge-batch-") as folder:
        source = Path(folder) / "messages.parquet"
        write_table(source, whole_words(bundle), rows, seed=seed)
        for number in range(rounds):
            for name in list(turns)[:: 1 if number % 2 == 0 else -1]:
                turn = observe(ENGINES[name](bundle, source, Path(folder) / name))
                click.echo(f"round {number + 1}: {name} {rows / turn.seconds:,.0f} rows/s", err=True)
                turns[name].append(turn)
                check_alike([each for taken in turns.values() for each in taken])
            results["engines"] = summarize(turns)
            write_json(results, path)
    return results


def check_alike(turns: Sequence[Observed]) -> None:
    """Check that all turns agree on rows and labels.

    Raises:
        TurnError: they disagree, so their times are not comparable.
    """
    found = {(turn.answer["rows"], *sorted(turn.answer["labels"].items())) for turn in turns}
    if len(found) > 1:
        raise TurnError(f"the engines disagree on rows and labels: {sorted(found)}")


def summarize(turns: Mapping[str, Sequence[Observed]]) -> dict[str, Any]:
    """Return the figures of each engine. Ratios to the loop compare turns of the same round."""
    figures: dict[str, Any] = {}
    for name, taken in turns.items():
        rates = [turn.answer["rows"] / turn.seconds for turn in taken]
        figures[name] = {
            "rows_per_s": spread(rates),
            "parent_mib": max(turn.parent for turn in taken) / MIB,
            "worker_mib": max(turn.worker for turn in taken) / MIB,
            "tree_mib": max(turn.tree for turn in taken) / MIB,
        }
        if name not in CLUSTERS:
            hourly = [3600 * turn.answer["rows"] / turn.processor_seconds for turn in taken]
            figures[name]["rows_per_core_hour"] = spread(hourly)
        if LOOP in turns:
            ratios = [loop.seconds / turn.seconds for loop, turn in zip(turns[LOOP], taken, strict=True)]
            figures[name]["to_loop"] = statistics.median(ratios)
    return figures


def _table(results: Mapping[str, Any]) -> Iterator[str]:
    settings = results["settings"]
    yield f"{settings['bundle']}: {settings['rows']:,} rows of Parquet, {settings['rounds']} rounds, medians"
    yield (
        f"{'engine':<10} {'rows/s':>8} {'min':>9} {'max':>8} {'to loop':>8} {'rows/core-hour':>15} "
        f"{'parent MiB':>11} {'worker MiB':>11} {'all MiB':>8}"
    )
    for name, figures in results["engines"].items():
        rate = figures["rows_per_s"]
        ratio = f"{figures['to_loop']:.2f}" if "to_loop" in figures else ""
        hourly = f"{figures['rows_per_core_hour']['median']:,.0f}" if "rows_per_core_hour" in figures else ""
        yield (
            f"{name:<10} {rate['median']:>8,.0f} {rate['min']:>9,.0f} {rate['max']:>8,.0f} {ratio:>8} "
            f"{hourly:>15} {figures['parent_mib']:>11.1f} "
            f"{figures['worker_mib']:>11.1f} {figures['tree_mib']:>8.1f}"
        )
    yield "whole processes, from start to end; a core-hour is one hour of CPU time over all processes"


if __name__ == "__main__":
    main()
