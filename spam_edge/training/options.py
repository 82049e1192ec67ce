"""Command-line options for the corpus and its file format."""

from collections.abc import Callable
from typing import Any

import click

from spam_edge.training.data.messages import DEFAULT_LABEL_MAP, parse_label_map
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import FILES, Corpus


def corpus_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--data``, ``--notices`` and the reader options of :func:`take_read_options` to a command."""
    options = (
        click.option(
            "--data",
            multiple=True,
            default=("auto",),
            show_default=True,
            metavar="auto|hub|packaged|FILE",
            help="Corpus; repeat for several files (.csv, .tsv, .jsonl, .parquet, or .txt as label<TAB>text).",
        ),
        click.option(
            "--notices/--no-notices",
            default=None,
            help="Add the packaged corpus of contemporary messages. Default: with the SMS Spam Collection, not with "
            "your own files.",
        ),
        click.option(
            "--text-column",
            metavar="NAME",
            help="Column or JSON key of the text [default: the only one beside the label, else text, message, sms or "
            "body].",
        ),
        click.option(
            "--label-column",
            metavar="NAME",
            help="Column or JSON key of the label [default: label, class or category].",
        ),
        click.option("--label-map", help="Labels of the corpus, as name=SPAM,name=HAM; default: spam, ham, 1, 0."),
        click.option("--encoding", default="utf-8", show_default=True, help="Encoding of text files."),
    )
    for option in reversed(options):  # click lists the option added last first
        command = option(command)
    return command


def wants_notices(notices: bool | None, corpus: Corpus) -> bool:
    """Return whether to add the notices; by default only to the SMS Spam Collection.

    The user's files may define the labels differently from the notices.
    """
    return corpus.source != FILES if notices is None else notices


def take_read_options(options: dict[str, Any]) -> CorpusOptions:
    """Remove the reader options from ``options`` and return them.

    Raises:
        InputError: the label map is malformed.
    """
    label_map = options.pop("label_map")
    named = {name: options.pop(name) for name in ("text_column", "label_column", "encoding")}
    return CorpusOptions(label_map={**DEFAULT_LABEL_MAP, **(parse_label_map(label_map) if label_map else {})}, **named)
