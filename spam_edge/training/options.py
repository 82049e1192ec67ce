"""The command-line options that name a corpus and say how its files are read."""

from collections.abc import Callable
from typing import Any

import click

from spam_edge.training.messages import DEFAULT_LABEL_MAP, parse_label_map
from spam_edge.training.readers import ReadOptions
from spam_edge.training.sources import FILES, Corpus


def corpus_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--data``, ``--notices``, and the options of the readers for :func:`take_read_options`."""
    options = (
        click.option(
            "--data",
            multiple=True,
            default=("auto",),
            show_default=True,
            metavar="auto|hub|packaged|FILE",
            help="Corpus; repeat for several files (.tsv and .txt in UCI form, .csv, .jsonl, .parquet).",
        ),
        click.option(
            "--notices/--no-notices",
            default=None,
            help="Train on the messages of today that come with the package, too. Default: beside the SMS Spam "
            "Collection, not beside files of your own.",
        ),
        click.option("--text-column", default="text", show_default=True, help="Column or key of the message."),
        click.option("--label-column", default="label", show_default=True, help="Column or key of the label."),
        click.option("--label-map", help="Labels of the corpus, as name=SPAM,name=HAM; default: spam, ham, 1, 0."),
        click.option("--encoding", default="utf-8", show_default=True, help="Encoding of text files."),
    )
    for option in reversed(options):  # the last one that is added comes first in the help
        command = option(command)
    return command


def wants_notices(notices: bool | None, corpus: Corpus) -> bool:
    """Whether notices are added: as asked for, else beside the collection.

    Files of the user's own have labels whose meaning is his to choose; the notices come with a meaning of theirs.
    """
    return corpus.source != FILES if notices is None else notices


def take_read_options(options: dict[str, Any]) -> ReadOptions:
    """Take the options that say how files are read out of ``options``.

    Raises:
        InputError: the label map is not understood.
    """
    label_map = options.pop("label_map")
    named = {name: options.pop(name) for name in ("text_column", "label_column", "encoding")}
    return ReadOptions(label_map={**DEFAULT_LABEL_MAP, **(parse_label_map(label_map) if label_map else {})}, **named)
