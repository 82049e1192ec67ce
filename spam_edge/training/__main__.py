"""Command line of training: ``python -m spam_edge.training``."""

import io
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from spam_edge.errors import SpamEdgeError
from spam_edge.escapes import one_line
from spam_edge.signals import raised_signals
from spam_edge.training.data.sources import PACKAGED, Corpus, load_corpus
from spam_edge.training.options import corpus_options, take_read_options, wants_notices
from spam_edge.training.settings import PACKAGED_DEFAULTS, TrainingSettings

_EPILOG = """\b
Examples:
  python -m spam_edge.training                              corpus and DistilBERT from the Hub, else packaged ones
  python -m spam_edge.training --data sms.csv --check       check a file: duplicates, label conflicts, split
  python -m spam_edge.training --data sms.csv --data more.jsonl --text-column body
  python -m spam_edge.training --data mail.csv --label-map junk=SPAM,ok=HAM --encoding cp1252
  python -m spam_edge.training --base-model packaged --sweep
  python -m spam_edge.training --no-notices                 SMS Spam Collection only, comparable with papers
  python -m spam_edge.training --freeze-epochs 1 --epochs 4
  python -m spam_edge.training --resume                     continue after Ctrl-C
"""


@click.command(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@corpus_options
@click.option(
    "--base-model",
    default="auto",
    show_default=True,
    metavar="auto|packaged|FOLDER|HUB NAME",
    help="auto: distilbert-base-uncased from the Hub or its cache, else packaged.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("artifacts/checkpoint"),
    show_default=True,
    help="Folder of the checkpoint; an earlier one is replaced at the end of training.",
)
@click.option("--learning-rate", type=float, help="Default: 2e-5; packaged base model: 5e-5.")
@click.option("--epochs", type=int, help="Default: 3.")
@click.option("--batch-size", type=int, help="Default: 16.")
@click.option("--max-length", type=int, help="Truncation length in tokens. Default: 128.")
@click.option("--seed", type=int, help="Default: 42.")
@click.option("--freeze-body", is_flag=True, help="Train the classification head only.")
@click.option("--freeze-epochs", type=int, metavar="N", help="Train only the head in the first N epochs.")
@click.option("--augment/--no-augment", default=True, show_default=True, help="Augment messages in every epoch.")
@click.option("--sweep", is_flag=True, help="Train with 2e-5, 3e-5 and 5e-5 and keep the best on validation.")
@click.option("--resume", is_flag=True, help="Resume an interrupted run of the same settings and data.")
@click.option("--check", is_flag=True, help="Read, clean and split the data, print a report and exit.")
def main(
    *,
    data: tuple[str, ...],
    notices: bool | None,
    base_model: str,
    output: Path,
    resume: bool,
    check: bool,
    **options: Any,
) -> None:
    """Fine-tune DistilBERT as a spam classifier and write a checkpoint."""
    if options["sweep"] and options["learning_rate"] is not None:
        raise click.UsageError("--sweep sets the learning rate; remove --learning-rate")
    # Spinning OpenMP threads starve each other: 0.1 to 1 step/s on 2 busy cores, against 2.4 with a passive wait
    # policy. OpenMP reads the variable when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Xet downloads restart from the beginning after a broken connection; plain HTTP downloads resume.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    try:
        with raised_signals():
            if check:
                _check(data, options, notices=notices)
            else:
                _train(data, base_model, output, resume, options, notices=notices)
    except (SpamEdgeError, OSError) as error:
        raise click.ClickException(one_line(str(error))) from error
    except ModuleNotFoundError as error:
        raise click.ClickException(f"training needs {error.name}; run pip install 'spam-edge[train]'") from error
    except KeyboardInterrupt:
        _say("\nInterrupted. Run the same command with --resume to continue after the last complete epoch.")
        sys.exit(130)


def _check(data: tuple[str, ...], options: dict[str, Any], *, notices: bool | None) -> None:
    corpus, given = _load(data, options)
    _say(_describe(corpus))
    from spam_edge.training.data.corpus import check  # noqa: PLC0415 - scikit-learn, as in _train

    if isinstance(sys.stdout, io.TextIOWrapper):  # the report must survive characters outside the locale's encoding
        sys.stdout.reconfigure(errors="backslashreplace")
    seed = TrainingSettings(**given).seed
    for part in check(corpus, seed):
        click.echo(part, nl=False)
    if wants_notices(notices, corpus):
        from spam_edge.training.data.corpus import prepare  # noqa: PLC0415 - as above
        from spam_edge.training.data.notices import with_notices  # noqa: PLC0415 - as above

        click.echo(f"\nWith the notices: {with_notices(prepare(corpus, seed), seed).sizes()}")


def _train(
    data: tuple[str, ...],
    base_name: str,
    output: Path,
    resume: bool,
    options: dict[str, Any],
    *,
    notices: bool | None,
) -> None:
    corpus, given = _load(data, options)
    # scikit-learn; see below
    from spam_edge.training.data.corpus import prepare  # noqa: PLC0415
    from spam_edge.training.data.notices import with_notices  # noqa: PLC0415

    seed = TrainingSettings(**given).seed
    prepared = prepare(corpus, seed)
    lines = [_describe(corpus), prepared.summary()]
    if wants_notices(notices, corpus):
        prepared = with_notices(prepared, seed)
        lines.append(prepared.sizes())

    # torch and transformers take seconds to import; --help and bad data must not wait for them.
    from spam_edge.training.estimate import slow_warning  # noqa: PLC0415
    from spam_edge.training.model.base_model import BaseModel, choose_base_model  # noqa: PLC0415
    from spam_edge.training.run import train  # noqa: PLC0415

    def settings_of(base: BaseModel) -> TrainingSettings:
        return replace(PACKAGED_DEFAULTS, **given) if base.source == PACKAGED else TrainingSettings(**given)

    def announce(base: BaseModel) -> None:
        """Print the warning of a slow run before the download and the training."""
        if warning := slow_warning(base, settings_of, prepared.splits):
            _say(warning)
        while lines:
            _say(lines.pop(0))

    base = choose_base_model(base_name, announce)
    _say(f"base model: {base.name} ({base.source}: {base.reason})")
    record = train(
        prepared, base, settings_of(base), output=output, resume=resume, report=_say, bar=sys.stderr.isatty()
    )
    _say(_verdict(record, output))


def _load(data: tuple[str, ...], options: dict[str, Any]) -> tuple[Corpus, dict[str, Any]]:
    """Load the corpus and collect the hyper-parameters set on the command line."""
    read_options = take_read_options(options)
    given = {name: value for name, value in options.items() if value is not None}
    TrainingSettings(**given)  # validate before reading the corpus
    return load_corpus(data, read_options), given


def _describe(corpus: Corpus) -> str:
    return one_line(f"corpus: {corpus.name} ({corpus.source}: {corpus.reason})")


def _verdict(record: Mapping[str, Any], output: Path) -> str:
    test, selection = record["test"], record["selection"]
    kept = "average of the last steps" if selection["averaged"] else f"epoch {selection['epoch']}"
    return (
        f"test ({test['n']} messages, {test['n_spam']} spam): accuracy {test['accuracy']:.4f}, F1 {test['f1']:.4f}, "
        f"PR-AUC {test['pr_auc']:.4f}, recall at 0.5 % false positives {test['recall_at_fpr_0.5pct']:.4f}\n"
        f"wrote {one_line(str(output))} ({kept}, {record['seconds']:.0f} s)"
    )


def _say(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main(prog_name="python -m spam_edge.training")
