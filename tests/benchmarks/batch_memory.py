"""Measure the memory of a batch job, with all its processes, against the processed rows.

python -m tests.benchmarks.batch_memory --rows 5000000
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from spam_edge.bundle.locate import Bundle
from spam_edge.resources import available_threads
from tests.benchmarks.batch_chart import draw
from tests.benchmarks.conductor import write_json
from tests.benchmarks.generated import whole_words, write_table
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.processes import Memory, batch_command, observe
from tests.benchmarks.summary import MIB
from tests.benchmarks.turn import ROOT, TurnError

QUICK = {"rows": 100_000, "part_rows": 1_000}
STEPS = 12
"""Points of the curve."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    default=ROOT / "tests" / "data" / "tiny_bundle",
    show_default="the tests' tiny bundle, whose job takes minutes instead of an hour",
)
@click.option("--output", type=click.Path(path_type=Path), default=Path("artifacts/benchmark"), help="Output folder.")
@click.option("--rows", type=click.IntRange(STEPS), default=5_000_000, help="Generated messages.")
@click.option("--part-rows", type=click.IntRange(1), default=50_000, help="Rows per part.")
@click.option("--workers", type=click.IntRange(1), default=2, help="Workers of the job.")
@click.option("--interval", default=0.25, help="Seconds between two samples.")
@click.option("--seed", default=0, help="Seed of the messages.")
@click.option("--quick", is_flag=True, help=f"Few rows: {QUICK}. A first look, not for quoting.")
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """Print the resident memory of a batch job and of its workers; write batch_memory.json and batch_memory.png.

    A real `spam-edge batch` is sampled from outside.
    """
    if options.pop("quick"):
        given = {name for name in QUICK if context.get_parameter_source(name) == ParameterSource.COMMANDLINE}
        options |= {name: value for name, value in QUICK.items() if name not in given}
    output: Path = options.pop("output")
    try:
        results = _measure(**options)
    except TurnError as error:
        raise click.ClickException(str(error)) from error
    write_json(results, output / "batch_memory.json")
    draw(results, output / "batch_memory.png")
    click.echo("\n".join(_table(results)))
    click.echo(f"written to {output}: batch_memory.json, batch_memory.png", err=True)


@dataclass(frozen=True, slots=True)
class Look:
    """One sample: processed rows, and resident bytes of the command and of all its descendants."""

    rows: int
    parent: int
    workers: int


def _measure(*, bundle: Path, rows: int, part_rows: int, workers: int, interval: float, seed: int) -> dict[str, Any]:
    looks: list[Look] = []
    with tempfile.TemporaryDirectory(prefix="spam-edge-batch-") as folder:
        source, output = Path(folder) / "messages.parquet", Path(folder) / "verdicts"
        click.echo(f"writing {rows:,} messages", err=True)
        write_table(source, whole_words(bundle), rows, seed=seed)

        def see(memories: Mapping[int, Memory]) -> None:
            parent, *others = (memory.resident for memory in memories.values())
            parts = len(list((output / ".spam-edge").glob("part-*.json")))
            looks.append(Look(min(rows, parts * part_rows), parent, sum(others)))

        click.echo("classifying them", err=True)
        options = ["--part-rows", str(part_rows), "--workers", str(workers)]
        seen = observe(batch_command(bundle, source, output, *options), interval=interval, see=see)
    found = Bundle.find(bundle)
    settings = {"rows": rows, "part_rows": part_rows, "workers": workers, "interval": interval, "seed": seed}
    return {
        "machine": describe_machine(available_threads()),
        "model": {"name": found.manifest.name, "digest": found.digest},
        "settings": settings,
        "seconds": seen.seconds,
        "rows": seen.answer["rows"],
        "peak_mib": {"parent": seen.parent / MIB, "worker": seen.worker / MIB, "tree": seen.tree / MIB},
        "growth_mib": growth(looks, rows) / MIB,
        "curve": curve(looks, rows),
    }


def curve(looks: Sequence[Look], rows: int) -> list[dict[str, float]]:
    """Return the peak memory within each step of the rows, in MiB. Steps without samples are left out."""
    points = []
    for step in range(STEPS):
        within = [look for look in looks if min(look.rows * STEPS // rows, STEPS - 1) == step]
        if within:
            sizes = {
                "parent_mib": max(look.parent for look in within) / MIB,
                "workers_mib": max(look.workers for look in within) / MIB,
                "tree_mib": max(look.parent + look.workers for look in within) / MIB,
            }
            points.append({"rows": rows * (step + 1) // STEPS, "looks": len(within), **sizes})
    return points


def growth(looks: Sequence[Look], rows: int) -> float:
    """Return the peak of the last tenth of the rows minus that of the first tenth, in bytes."""
    first = [look.parent + look.workers for look in looks if look.rows * 10 <= rows]
    last = [look.parent + look.workers for look in looks if look.rows * 10 >= rows * 9]
    return max(last, default=0) - max(first, default=0)


def _table(results: Mapping[str, Any]) -> Iterator[str]:
    settings, peak = results["settings"], results["peak_mib"]
    yield (
        f"bundle {results['model']['name']}: {results['rows']:,} rows in parts of {settings['part_rows']:,}, "
        f"{settings['workers']} workers, {results['seconds']:.1f} s"
    )
    yield f"{'up to rows':>12} {'parent MiB':>11} {'workers MiB':>12} {'all MiB':>8}   maximum within the step"
    for point in results["curve"]:
        sizes = f"{point['parent_mib']:>11.1f} {point['workers_mib']:>12.1f} {point['tree_mib']:>8.1f}"
        yield f"{point['rows']:>12,} {sizes}"
    yield f"peak: parent {peak['parent']:.1f} MiB, worker {peak['worker']:.1f}, all at once {peak['tree']:.1f}"
    yield f"from the first tenth of the rows to the last: {results['growth_mib']:+.1f} MiB"


if __name__ == "__main__":
    main()
