"""``python -m tests.benchmarks.normalizer``: what normalising and second views cost on clean messages."""

import statistics
import time
from dataclasses import replace
from pathlib import Path

import click

from spam_edge.bundle import Bundle
from spam_edge.classifier import SpamClassifier
from spam_edge.session import RuntimeOptions
from tests.benchmarks.corpus import packaged_texts


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--bundle", type=click.Path(path_type=Path), default=Path("artifacts/bundle"), help="The bundle.")
@click.option("--rounds", type=click.IntRange(1), default=5, help="Rounds, with and without in turns.")
def main(bundle: Path, rounds: int) -> None:
    """Classify the packaged corpus with the normaliser and without, in turns, and print the ratio of the speeds."""
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
    # The first round warms up.
    rates = {name: len(texts) / statistics.median(taken[1:]) for name, taken in seconds.items()}
    click.echo(f"{len(texts):,} messages: {rates['with']:,.0f} per second, {rates['without']:,.0f} without normaliser")
    ratios = [b / a for a, b in zip(seconds["with"][1:], seconds["without"][1:], strict=True)]
    click.echo(f"ratio {statistics.median(ratios):.3f} (from {min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
