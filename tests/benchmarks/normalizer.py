"""``python -m tests.benchmarks.normalizer``: measure the cost of the normaliser on undisguised messages."""

import statistics
import time
from dataclasses import replace
from pathlib import Path

import click

from spam_edge.bundle.locate import Bundle
from spam_edge.classifier import SpamClassifier
from spam_edge.options import RuntimeOptions
from tests.benchmarks.conductor import write_json
from tests.benchmarks.corpus import packaged_texts
from tests.benchmarks.machine import describe_machine


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--bundle", type=click.Path(path_type=Path), default=Path("artifacts/bundle"), help="Bundle.")
@click.option("--rounds", type=click.IntRange(1), default=5, help="Rounds, each with and without normaliser.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("artifacts/benchmark"), help="Output folder.")
def main(bundle: Path, rounds: int, output: Path) -> None:
    """Classify the packaged corpus with and without the normaliser in turns; write the ratio to normalizer.json."""
    found, options = Bundle.find(bundle), RuntimeOptions(device="cpu")
    without = Bundle(found.path, replace(found.manifest, normalizer=None), found.digest)
    texts = sorted(set(packaged_texts()))
    classifiers = {"with": SpamClassifier(found, options), "without": SpamClassifier(without, options)}
    seconds: dict[str, list[float]] = {name: [] for name in classifiers}
    for _ in range(rounds + 1):
        for name, classifier in classifiers.items():
            start = time.perf_counter()
            classifier.score(texts)
            seconds[name].append(time.perf_counter() - start)
    # The first round is warm-up.
    rates = {name: len(texts) / statistics.median(taken[1:]) for name, taken in seconds.items()}
    click.echo(f"{len(texts):,} messages: {rates['with']:,.0f} per second, {rates['without']:,.0f} without normaliser")
    ratios = [b / a for a, b in zip(seconds["with"][1:], seconds["without"][1:], strict=True)]
    results = {
        "machine": describe_machine(classifiers["with"].threads),
        "messages": len(texts),
        "messages_per_s": rates,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
    }
    write_json(results, output / "normalizer.json")
    click.echo(f"ratio {results['ratio']:.3f} (from {min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
