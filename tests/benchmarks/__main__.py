"""``make bench``: benchmark spam-edge against its peers."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from spam_edge.resources import available_threads
from tests.benchmarks.chart import draw
from tests.benchmarks.conductor import Comparisons, run_roofline, write_json
from tests.benchmarks.corpus import comparable, evenly, packaged_texts, read_texts
from tests.benchmarks.engines import ENGINES
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.model import Model, build_once, identity
from tests.benchmarks.report import markdown
from tests.benchmarks.summary import FORMULA, highest
from tests.benchmarks.turn import TurnError
from tests.benchmarks.widen import widen

TRAINED, WIDE = "base", "distilbert-base"
WIDTH_OF_DISTILBERT = 768
OWN = "packaged"
SPLITS = {"test": ["test"], "all": ["train", "validation", "test"]}
QUICK = {"rounds": 2, "sample": 64, "singles": 20, "peak_seconds": 0.05}


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--checkpoint", type=click.Path(path_type=Path), default=Path("artifacts/checkpoint"))
@click.option(
    "--bundle", type=click.Path(path_type=Path), default=Path("artifacts/bundle"), help="Bundle of the checkpoint."
)
@click.option("--output", type=click.Path(path_type=Path), default=Path("artifacts/benchmark"), help="Output folder.")
@click.option("--shape", type=click.Choice(["all", TRAINED, WIDE]), default="all", help="Width of the model.")
@click.option("--engines", default=",".join(ENGINES), help="Engine names, separated by commas.")
@click.option(
    "--corpus",
    type=click.Choice([OWN, *SPLITS]),
    default=OWN,
    help=f"{OWN}: the whole corpus in its own order; otherwise splits of the checkpoint.",
)
@click.option("--sample", default=500, help="Messages, evenly spaced in the corpus; 0 for all.")
@click.option("--singles", default=200, help="Messages classified one by one in each round.")
@click.option("--rounds", default=5, help="Turns per engine.")
@click.option("--peak-seconds", default=0.5, help="Seconds per matrix product of the roofline.")
@click.option("--threads", type=int, default=available_threads, show_default="all", help="Threads per engine.")
@click.option("--quick", is_flag=True, help=f"Few messages and rounds: {QUICK}. A first look, not for quoting.")
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """Benchmark spam-edge against its peers, and write benchmark.json, report.md and benchmark.png.

    Each engine runs in a new process in each round. Keep the machine quiet.
    """
    if options.pop("quick"):
        given = {name for name in QUICK if context.get_parameter_source(name) == ParameterSource.COMMANDLINE}
        options |= {name: value for name, value in QUICK.items() if name not in given}
    unknown = set(options["engines"].split(",")) - set(ENGINES)
    if unknown:
        raise click.BadParameter(
            f"unknown engine {', '.join(unknown)}; choose from {', '.join(ENGINES)}", param_hint="--engines"
        )
    try:
        results = _measure(**options)
    except TurnError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    output: Path = options["output"]
    (output / "report.md").write_text(markdown(results), encoding="utf-8")
    draw(results, output / "benchmark.png")
    click.echo(markdown(results))
    click.echo(f"written to {output}: benchmark.json, report.md, benchmark.png", err=True)


def _measure(
    *,
    checkpoint: Path,
    bundle: Path,
    output: Path,
    shape: str,
    engines: str,
    corpus: str,
    sample: int,
    singles: int,
    rounds: int,
    peak_seconds: float,
    threads: int,
) -> dict[str, Any]:
    everything = packaged_texts() if corpus == OWN else read_texts(checkpoint, SPLITS[corpus])
    once = comparable(everything, checkpoint)
    texts = evenly(once, sample or len(once))
    origin = "the packaged corpus, in its own order" if corpus == OWN else f"the splits {', '.join(SPLITS[corpus])}"
    source = (
        f"from {len(once)} of {len(everything)} in {origin}; normalised beforehand, because only spam-edge "
        "normalises, and without messages that it scores in two variants"
    )
    contests = [
        Comparisons(model, engines.split(","), texts=texts, singles=singles, threads=threads)
        for model in _models(checkpoint.resolve(), bundle.resolve(), output.resolve(), shape)
    ]
    _report("preparing; the first run takes minutes, mostly for the export at DistilBERT-base's width")
    for contest in contests:
        contest.prepare(_report)
    peaks, results = [], {}
    for number in range(1, rounds + 1):
        _report(f"round {number} of {rounds}")
        peaks.append(run_roofline(threads, peak_seconds))
        for contest in contests:
            contest.play(_report, backwards=number % 2 == 0)
        roofline = highest(peaks)
        results = {
            "machine": describe_machine(threads),
            "settings": {"rounds": number, "sample": len(texts), "singles": singles, "corpus": corpus},
            "formula": FORMULA,
            "roofline": roofline,
            "shapes": {contest.model.name: contest.results(roofline, source) for contest in contests},
        }
        write_json(results, output / "benchmark.json")
    return results


def _models(checkpoint: Path, bundle: Path, output: Path, shape: str) -> Iterator[Model]:
    trained = Model(TRAINED, checkpoint, output / TRAINED, bundle, f"trained, from {checkpoint.name}")
    if shape != WIDE:
        yield trained
    if shape != TRAINED:
        if 2 * int(trained.config["dim"]) != WIDTH_OF_DISTILBERT:
            _report(f"{WIDE}: skipped, the checkpoint is not half as wide as DistilBERT-base")
            return
        cache = output / WIDE
        build_once(cache / "checkpoint", {"weights": identity(trained)}, lambda folder: widen(checkpoint, folder))
        weights = "the trained model with every unit duplicated: the same scores at DistilBERT-base's cost"
        yield Model(WIDE, cache / "checkpoint", cache, None, weights)


def _report(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
