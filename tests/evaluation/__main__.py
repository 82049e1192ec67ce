"""``python -m tests.evaluation``: the whole protocol, from folds to the page."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from spam_edge.errors import SpamEdgeError
from spam_edge.training.options import corpus_options, take_read_options
from spam_edge.training.sources import load_corpus
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
    help="Where the report goes.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    default=Path("artifacts/bundle"),
    help="What ships: scores the other files.",
)
@extra_option
@click.option("--seeds", type=click.IntRange(1), default=1, help="Trainings of every fold; two or more tell chance.")
@click.option("--resamples", type=click.IntRange(10), default=2000, help="Of the bootstrap.")
@click.option("--quick", is_flag=True, help="One fold, one seed, no leaky split: a first look in some minutes.")
def main(*, data: tuple[str, ...], bundle: Path, **options: Any) -> None:
    """Judge the pipeline that ships on messages it has never seen, and write a page about it.

    Five grouped folds of the corpus, and of the notices beside it, are trained, exported to int8 and scored, clean and
    disguised, beside baselines in the same folds. What is finished is kept in the folder of the report: a run that was
    interrupted goes on. For what takes seconds and trains nothing see python -m tests.evaluation.measure.
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
