"""End-to-end run of ``auto`` against a local fake of the Hub.

    python -m tests.hub                    66 million weights: most of an hour on two cores
    python -m tests.hub --no-notices       the collection alone: a third of the time
    python -m tests.hub --tiny             smoke test with a tiny random model: a few minutes

Serves a DistilBERT of the real shape (the packaged base with every unit doubled) and the packaged corpus in Parquet
under their Hub names. Then it runs the commands of ``make train export`` with the real client and an empty cache, and
prints the duration and peak memory of each step. It exits with 1 unless training takes both from the Hub and every
variant of the bundle passes the parity gate.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from export.parity.gate import Parity, format_table
from tests.benchmarks.fresh import in_fresh_process
from tests.hub.contents import repositories, write_full_model, write_packaged_corpus, write_tiny_model
from tests.hub.server import FakeHub, serve

_ROOT = Path(__file__).parents[2]
_MIB = 2**20
_TINY_RATE = "2e-3"


@dataclass(frozen=True, slots=True)
class Step:
    """Measurements of one completed command.

    Attributes:
        name: name of the step.
        seconds: wall time.
        peak: peak resident memory of its largest process, in bytes.
    """

    name: str
    seconds: float
    peak: int


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--output", type=click.Path(path_type=Path), default=Path("artifacts/hub"), help="Folder of the results.")
@click.option("--epochs", type=int, show_default="default of training", help="Number of epochs.")
@click.option("--notices/--no-notices", default=True, help="Train on the notices, too.")
@click.option("--tiny", is_flag=True, help="Use a tiny random model instead of the real shape.")
def main(output: Path, epochs: int | None, notices: bool, tiny: bool) -> None:
    """Train and export against a fake Hub, and print the duration and peak memory of each step."""
    output = output.resolve()
    train = ["--output", str(output / "checkpoint"), *(["--epochs", str(epochs)] if epochs else [])]
    train += ["--learning-rate", _TINY_RATE] if tiny else []
    train += [] if notices else ["--no-notices"]
    export = ["--checkpoint", str(output / "checkpoint"), "--output", str(output / "bundle")]
    with stand_in(tiny=tiny) as hub, TemporaryDirectory(prefix="spam-edge-hub-") as home:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": home}
        steps = [run("train", ["spam_edge.training", *train], environment)]
        steps.append(run("export", ["export", *export], environment))
    record = json.loads((output / "checkpoint" / "training.json").read_bytes())
    parity = json.loads((output / "bundle" / "parity.json").read_bytes())
    click.echo("\n".join([*table(steps), *measurements(record), format_table(parities(parity))]))
    if {record[what]["source"] for what in ("base_model", "corpus")} != {"hub"}:
        raise click.ClickException("training did not take corpus and base model from the Hub")


@contextmanager
def stand_in(*, tiny: bool) -> Iterator[FakeHub]:
    """Serve a model and the packaged corpus.

    Subprocesses create them, because a child's peak memory includes that of its parent at the fork.
    """
    with TemporaryDirectory(prefix="spam-edge-hub-") as folder:
        model, corpus = Path(folder) / "model", Path(folder) / "corpus"
        in_fresh_process(write_tiny_model if tiny else write_full_model, model)
        in_fresh_process(write_packaged_corpus, corpus)
        with serve(*repositories(model, corpus)) as hub:
            yield hub


def run(name: str, arguments: list[str], environment: dict[str, str]) -> Step:
    """Run a module of this checkout with inherited output and measure it.

    Raises:
        ClickException: the command failed.
    """
    click.echo(f"$ python -m {' '.join(arguments)}", err=True)
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=_ROOT, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{name} failed with exit code {process.returncode}")
    return Step(name, time.monotonic() - began, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def table(steps: Sequence[Step]) -> Iterator[str]:
    """Yield the lines of a table with minutes and peak memory."""
    yield f"{'step':8} {'minutes':>8} {'peak MiB':>9}"
    for step in steps:
        yield f"{step.name:8} {step.seconds / 60:>8.1f} {step.peak / _MIB:>9.0f}"


def measurements(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the sources, the duration and the test metrics of a training record."""
    for what in ("corpus", "base_model"):
        yield f"{what}: {record[what]['name']} ({record[what]['source']}: {record[what]['reason']})"
    yield f"{len(record['epochs'])} epochs, {record['seconds'] / 60:.1f} minutes from the base model to the checkpoint"
    for name, test in {"all": record["test"], **record["test"].get("by_corpus", {})}.items():
        yield f"test, {name}: n {test['n']}, F1 {test['f1']:.4f}, PR-AUC {test['pr_auc']:.4f}"


def parities(record: Mapping[str, Any]) -> list[Parity]:
    """Return the measurements of the parity gate."""
    names = {field.name for field in fields(Parity)}
    return [Parity(**{name: value for name, value in row.items() if name in names}) for row in record["measured"]]


if __name__ == "__main__":
    main()
