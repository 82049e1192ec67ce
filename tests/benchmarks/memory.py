"""Measure resident memory over a long stream and over many single messages.

python -m tests.benchmarks.memory --model artifacts/bundle
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from click.core import ParameterSource

from spam_edge.resources import available_threads
from tests.benchmarks.conductor import write_json
from tests.benchmarks.fresh import identify, in_fresh_process, resident_memory
from tests.benchmarks.generated import mixed_messages, whole_words
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.worker import peak_memory

QUICK = {"messages": 20_000, "singles": 1_000}
MIB = 2**20
_SETTLED = 0.1  # share of the messages after which one-time allocations are done


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--model", type=click.Path(path_type=Path), default=Path("artifacts/bundle"), help="Bundle.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("artifacts/benchmark"), help="Output folder.")
@click.option("--messages", default=1_000_000, help="Messages through classify_stream().")
@click.option("--singles", default=10_000, help="Messages through classify(), one by one.")
@click.option("--points", default=20, help="Points per curve.")
@click.option("--threads", type=int, default=available_threads, show_default="all", help="Threads of the classifier.")
@click.option("--seed", default=0, help="Seed of the messages.")
@click.option("--quick", is_flag=True, help=f"Few messages: {QUICK}. A first look, not for quoting.")
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """Print resident memory against the number of messages, and write memory.json.

    classify_stream() and classify() each run in a new process.
    """
    if options.pop("quick"):
        given = {name for name in QUICK if context.get_parameter_source(name) == ParameterSource.COMMANDLINE}
        options |= {name: value for name, value in QUICK.items() if name not in given}
    model, threads, points = options["model"], options["threads"], options["points"]
    words = whole_words(model)
    results: dict[str, Any] = {"machine": describe_machine(threads), "seed": options["seed"], "ways": {}}
    for way, count in (("classify_stream", options["messages"]), ("classify", options["singles"])):
        click.echo(f"{way}: {count:,} messages", err=True)
        texts = partial(mixed_messages, words, count, seed=options["seed"])
        measured = in_fresh_process(measure, way, str(model), texts, count, points=points, threads=threads)
        results["model"] = measured.pop("model")
        results["ways"][way] = {"messages": count, **summarize(measured), "curve": measured["curve"]}
        write_json(results, options["output"] / "memory.json")
        click.echo("\n".join(_table(way, results["ways"][way])))
    click.echo(f"written to {options['output']}: memory.json", err=True)


def measure(
    way: str, bundle: str, texts: Callable[[], Iterator[str]], count: int, *, points: int, threads: int
) -> dict[str, Any]:
    """Classify messages and sample the resident memory of this process.

    Args:
        way: ``classify_stream``, or ``classify`` for one message at a time.
        bundle: path of the bundle.
        texts: yields the messages.
        count: number of messages.
        points: number of samples, besides those before the first message and after the first window.
        threads: threads of the classifier.

    Returns:
        ``curve``: pairs of messages and bytes; ``peak``: bytes; ``model``: what ran.
    """
    from spam_edge import RuntimeOptions, SpamClassifier
    from spam_edge.classifier import WINDOW

    classifier = SpamClassifier.load(bundle, RuntimeOptions(threads=threads))
    stream = way == "classify_stream"
    verdicts: Iterator[object] = classifier.classify_stream(texts()) if stream else map(classifier.classify, texts())
    marks = {min(WINDOW, count), *(count * point // points for point in range(1, points + 1))}
    curve = [(0, resident_memory())]
    for number, _ in enumerate(verdicts, start=1):
        if number in marks:
            curve.append((number, resident_memory()))
    return {"curve": curve, "peak": peak_memory(), "model": identify(classifier)}


def summarize(measured: dict[str, Any]) -> dict[str, float]:
    """Return figures in MiB, and the growth of memory after warm-up in KiB per 1,000 messages."""
    numbers, sizes = np.array(measured["curve"], dtype=np.float64).T
    settled = numbers >= _SETTLED * numbers[-1]
    slope = np.polyfit(numbers[settled], sizes[settled], 1)[0] if settled.sum() > 1 else 0.0
    return {
        "loaded_mib": sizes[0] / MIB,
        "first_mib": sizes[1] / MIB,
        "last_mib": sizes[-1] / MIB,
        "peak_mib": measured["peak"] / MIB,
        "kib_per_1000_messages": float(slope) * 1000 / 1024,
    }


def _table(way: str, figures: dict[str, Any]) -> Iterator[str]:
    yield f"{way}: resident memory"
    yield f"{'messages':>12} {'MiB':>8}"
    for number, size in figures["curve"]:
        yield f"{number:>12,} {size / MIB:>8.1f}"
    yield (
        f"loaded {figures['loaded_mib']:.1f} MiB, first {figures['first_mib']:.1f}, last {figures['last_mib']:.1f}, "
        f"peak {figures['peak_mib']:.1f}; {figures['kib_per_1000_messages']:+.2f} KiB per 1,000 messages after the "
        f"first {_SETTLED:.0%}"
    )


if __name__ == "__main__":
    main()
