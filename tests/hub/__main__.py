"""The way that ``auto`` takes with a network, once from end to end, against a Hub on this machine.

    python -m tests.hub                    some 66 million weights: the better part of an hour on two cores
    python -m tests.hub --tiny             a tiny model of random weights, in some minutes: does it run?

A DistilBERT of the real shape, the packaged base with every unit doubled, and the packaged corpus in Parquet are
served under their names on the Hub. Then this runs what ``make train export`` runs, with the real client and nothing in
its cache, and prints the minutes and the peak memory of each step. Training has to take both from the Hub, and every
variant of the bundle has to pass the gate, else it ends with 1.
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

from export.gate import Parity, format_table
from tests.benchmarks.fresh import in_fresh_process
from tests.hub.contents import repositories, write_full_model, write_packaged_corpus, write_tiny_model
from tests.hub.server import StandIn, serve

_ROOT = Path(__file__).parents[2]
_MIB = 2**20
_TINY_RATE = "2e-3"


@dataclass(frozen=True, slots=True)
class Step:
    """One command that ran to its end.

    Attributes:
        name: what it did.
        seconds: from start to end.
        peak: resident memory of its largest process, in bytes.
    """

    name: str
    seconds: float
    peak: int


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--output", type=click.Path(path_type=Path), default=Path("artifacts/hub"), help="Folder of the results.")
@click.option("--epochs", type=int, show_default="that of training", help="Epochs.")
@click.option("--tiny", is_flag=True, help="A tiny model of random weights in place of the real shape.")
def main(output: Path, epochs: int | None, tiny: bool) -> None:
    """Serve a stand-in for the Hub, train and export against it, and print minutes and memory of each step."""
    output = output.resolve()
    train = ["--output", str(output / "checkpoint"), *(["--epochs", str(epochs)] if epochs else [])]
    train += ["--learning-rate", _TINY_RATE] if tiny else []
    export = ["--checkpoint", str(output / "checkpoint"), "--output", str(output / "bundle")]
    with stand_in(tiny=tiny) as hub, TemporaryDirectory(prefix="spam-edge-hub-") as home:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": home}
        steps = [run("train", ["spam_edge.training", *train], environment)]
        steps.append(run("export", ["export", *export], environment))
    record = json.loads((output / "checkpoint" / "training.json").read_bytes())
    parity = json.loads((output / "bundle" / "parity.json").read_bytes())
    click.echo("\n".join([*table(steps), *findings(record), format_table(parities(parity))]))
    if {record[what]["source"] for what in ("base_model", "corpus")} != {"hub"}:
        raise click.ClickException("training did not take corpus and base model from the Hub")


@contextmanager
def stand_in(*, tiny: bool) -> Iterator[StandIn]:
    """Serve a model and the packaged corpus; other processes make them, as what this one holds counts as a child's."""
    with TemporaryDirectory(prefix="spam-edge-hub-") as folder:
        model, corpus = Path(folder) / "model", Path(folder) / "corpus"
        in_fresh_process(write_tiny_model if tiny else write_full_model, model)
        in_fresh_process(write_packaged_corpus, corpus)
        with serve(*repositories(model, corpus)) as hub:
            yield hub


def run(name: str, arguments: list[str], environment: dict[str, str]) -> Step:
    """Run a module of this checkout, its output where ours goes, and measure it.

    Raises:
        ClickException: it failed.
    """
    click.echo(f"$ python -m {' '.join(arguments)}", err=True)
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=_ROOT, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{name} ended with {process.returncode}")
    return Step(name, time.monotonic() - began, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def table(steps: Sequence[Step]) -> Iterator[str]:
    """Yield the lines of a table with minutes and memory."""
    yield f"{'step':8} {'minutes':>8} {'peak MiB':>9}"
    for step in steps:
        yield f"{step.name:8} {step.seconds / 60:>8.1f} {step.peak / _MIB:>9.0f}"


def findings(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was trained on what, and how good it is on which messages."""
    for what in ("corpus", "base_model"):
        yield f"{what}: {record[what]['name']} ({record[what]['source']}: {record[what]['reason']})"
    yield f"{len(record['epochs'])} epochs, {record['seconds'] / 60:.1f} minutes from the base model to the checkpoint"
    for name, test in {"all": record["test"], **record["test"].get("by_corpus", {})}.items():
        yield f"test, {name}: n {test['n']}, F1 {test['f1']:.4f}, PR-AUC {test['pr_auc']:.4f}"


def parities(record: Mapping[str, Any]) -> list[Parity]:
    """Return what the gate measured."""
    names = {field.name for field in fields(Parity)}
    return [Parity(**{name: value for name, value in row.items() if name in names}) for row in record["measured"]]


if __name__ == "__main__":
    main()
