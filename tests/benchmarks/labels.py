"""Measure model quality against the number of labels, on the test split of the whole corpus.

python -m tests.benchmarks.labels --sizes 200,1000,all

Seven eighths of the labels are for training and one eighth for choosing the epoch, as in a 70/10/20 split. The labels
are whole near-duplicate clusters in random order, with the corpus's shares of ham and spam.
"""

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from spam_edge.errors import SpamEdgeError
from spam_edge.resources import available_threads
from tests.benchmarks.conductor import write_json
from tests.benchmarks.machine import describe_machine

ALL = "all"
_CHOOSING = 8  # one in eight labels chooses the epoch
_FIGURES = {"recall_at_fpr_0.5pct": "recall at 0.5 % FPR", "f1": "F1", "pr_auc": "PR-AUC"}


def _parse_sizes(context: click.Context, option: click.Parameter, value: str) -> list[int | None]:
    """Parse ``200,1000,all``; ``all`` becomes None."""
    entries = [entry.strip() for entry in value.split(",")]
    for entry in entries:
        if entry != ALL and not entry.isdecimal():
            raise click.BadParameter(f"{entry!r} is neither a number nor {ALL}", context, option)
    return [None if entry == ALL else int(entry) for entry in entries]


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--sizes", callback=_parse_sizes, default="200,1000,all", help="Numbers of labels.")
@click.option("--draws", type=click.IntRange(1), default=1, help="Random draws per number, each with the next seed.")
@click.option("--data", default="packaged", help="Corpus, as in training.")
@click.option("--base-model", default="packaged", help="Base model, as in training.")
@click.option("--epochs", type=int, show_default="that of the base model", help="Epochs.")
@click.option("--learning-rate", type=float, show_default="that of the base model", help="Learning rate.")
@click.option("--seed", default=42, help="Seed of split, draw and training.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("artifacts/benchmark"), help="Output folder.")
def main(*, output: Path, **options: Any) -> None:
    """Train with few labels, print the figures on the whole test split, and write labels.json."""
    try:
        results = _measure(output / "labels.json", **options)
    except SpamEdgeError as error:
        raise click.ClickException(str(error)) from error
    click.echo(table(results))
    click.echo(f"written to {output / 'labels.json'}", err=True)


def _measure(
    path: Path, *, sizes: Sequence[int | None], draws: int, data: str, base_model: str, seed: int, **given: Any
) -> dict[str, Any]:
    from spam_edge.training.data.corpus import prepare
    from spam_edge.training.data.readers import CorpusOptions
    from spam_edge.training.data.sources import PACKAGED, load_corpus
    from spam_edge.training.model.base_model import choose_base_model
    from spam_edge.training.run import train
    from spam_edge.training.settings import PACKAGED_DEFAULTS, TrainingSettings

    whole = prepare(load_corpus([data], CorpusOptions()), seed)
    base = choose_base_model(base_model)
    defaults = PACKAGED_DEFAULTS if base.source == PACKAGED else TrainingSettings()
    settings = replace(defaults, **{name: value for name, value in given.items() if value is not None})
    results: dict[str, Any] = {"machine": describe_machine(available_threads()), "corpus": whole.corpus.name}
    results |= {"base_model": base.name, "fingerprint": whole.fingerprint, "runs": []}
    for size in sizes:
        for draw in range(draws if size else 1):
            splits = {**whole.splits, **few_labels(whole.splits, size, seed=seed + draw)}
            with tempfile.TemporaryDirectory(prefix="spam-edge-labels-") as folder:
                record = train(
                    replace(whole, splits=splits),
                    base,
                    replace(settings, seed=seed + draw),
                    output=Path(folder) / "checkpoint",
                    report=lambda line: click.echo(line, err=True),
                )
            results["runs"].append(_describe(splits, record, size or ALL, seed + draw))
            write_json(results, path)
    return results


def few_labels(splits: Mapping[str, Sequence[Any]], size: int | None, *, seed: int) -> dict[str, list[Any]]:
    """Draw ``size`` labels from training and validation, or all if None. Smaller draws are subsets of larger ones.

    Raises:
        SpamEdgeError: the corpus has fewer labels, or a split would lack spam or ham.
    """
    if size is None:
        return {split: list(splits[split]) for split in ("train", "validation")}
    choosing = round(size / _CHOOSING)
    return {
        "train": _draw(splits["train"], size - choosing, seed),
        "validation": _draw(splits["validation"], choosing, seed),
    }


def _draw(examples: Sequence[Any], n: int, seed: int) -> list[Any]:
    """Draw whole clusters in random order until there are ``n`` messages; the last cluster may be cut."""
    from spam_edge.training.data.messages import LABELS, SPAM

    n_spam = max(1, round(n * sum(example.label == SPAM for example in examples) / len(examples)))
    drawn: list[Any] = []
    for label, wanted in zip(LABELS, (n - n_spam, n_spam), strict=True):
        members = [example for example in examples if example.label == label]
        if not 0 < wanted <= len(members):
            raise SpamEdgeError(f"cannot draw {wanted} of {len(members)} {label} messages; choose another --sizes")
        clusters = sorted({example.cluster for example in members})
        random.Random(f"{seed} {label}").shuffle(clusters)
        place = {cluster: number for number, cluster in enumerate(clusters)}
        drawn += sorted(members, key=lambda example: (place[example.cluster], example.text))[:wanted]
    return sorted(drawn, key=lambda example: str(example.text))


def _describe(
    splits: Mapping[str, Sequence[Any]], record: Mapping[str, Any], size: int | str, seed: int
) -> dict[str, Any]:
    from spam_edge.training.data.messages import SPAM

    labels = [example.label for split in ("train", "validation") for example in splits[split]]
    return {
        "size": size,
        "labels": len(labels),
        "spam": labels.count(SPAM),
        "seed": seed,
        "settings": record["settings"],
        "epoch": record["selection"]["epoch"],
        "test": record["test"]["one_per_cluster"],
        "seconds": record["seconds"],
    }


def table(results: Mapping[str, Any]) -> str:
    """Return a Markdown table with one row per training."""
    lines = [["labels", "of them spam", "seed", *_FIGURES.values(), "seconds"]]
    lines.append(["---"] * len(lines[0]))
    for run in results["runs"]:
        figures = [f"{run['test'][key]:.3f}" for key in _FIGURES]
        lines.append([f"{run['labels']}", f"{run['spam']}", f"{run['seed']}", *figures, f"{run['seconds']:.0f}"])
    test = results["runs"][0]["test"]
    votes = f"Test: {test['n']} clusters, {test['n_spam']} of them spam, one vote each."
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", votes])


if __name__ == "__main__":
    main()
