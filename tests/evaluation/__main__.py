"""``python -m tests.evaluation``: run the whole protocol, from the folds to the report page."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from spam_edge.errors import SpamEdgeError
from spam_edge.training.data.sources import load_corpus
from spam_edge.training.options import corpus_options, take_read_options
from tests.evaluation.extras import extra_option


@click.command(
    epilog="Example: python -m tests.evaluation --extra newer=labelled.tsv",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 120},
)
@corpus_options
@click.option("--base-model", default="auto", help="Base model, as in training.")
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("artifacts/report"),
    help="Folder of the report.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    default=Path("artifacts/bundle"),
    help="Shipped bundle: scores the additional files.",
)
@extra_option
@click.option(
    "--seeds", type=click.IntRange(1), default=1, help="Trainings per fold; two or more measure the variance."
)
@click.option("--resamples", type=click.IntRange(10), default=2000, help="Bootstrap resamples.")
@click.option("--quick", is_flag=True, help="One fold, one seed, no leaky split: a first look in minutes.")
def main(*, data: tuple[str, ...], bundle: Path, **options: Any) -> None:
    """Evaluate the shipped pipeline out of fold, and write a report page.

    Five grouped folds of the corpus and of the notices are trained, exported to int8 and scored, clean and disguised,
    with baselines fitted in the same folds. Finished epochs are kept in the report's folder, so an interrupted run
    continues. To measure a bundle in seconds, without training, use python -m tests.evaluation.measure.
    """
    from tests.evaluation.protocol import Request, evaluate

    try:
        reading = take_read_options(options)
        command = shlex.join(["python", "-m", "tests.evaluation", *sys.argv[1:]])
        request = Request(bundle=bundle if bundle.is_dir() else None, command=command, **options)
        evaluation = evaluate(request, load_corpus(data, reading), _say)
    except SpamEdgeError as error:
        raise click.ClickException(str(error)) from error
    for goal in evaluation["goals"]:
        click.echo(f"{'met' if goal['met'] else 'MISSED':8}{goal['name']:70} {goal['goal']:>9}  {goal['text']}")
    click.echo(f"wrote {request.folder / 'index.html'}", err=True)


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main(prog_name="python -m tests.evaluation")
