"""Score labelled files beside the corpus, ``--extra NAME=FILE``, and classify them by their labels.

A file of ham alone counts as notices, a file of spam alone as spam. A file with both labels is reported by itself.
``marketing:NAME=FILE`` is for advertising to a company's own customers: whether it is spam depends on the receiver, so
it is reported and counts towards no goal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from spam_edge.classifier import SpamClassifier
from spam_edge.training.data.notices import MARKETING
from spam_edge.training.data.readers import CorpusOptions, read_messages
from tests.evaluation.modes import mode_figures
from tests.evaluation.statistics import Scored, measures

NOTICES, SPAM, BOTH = "notices", "spam", "both"
MEANS = {NOTICES: "false_positive_rate", SPAM: "recall"}
"""Kinds of files with a goal for their mean -> the rate that is averaged."""


@dataclass(frozen=True, slots=True)
class Extra:
    """One labelled file.

    Attributes:
        name: name in the report.
        path: path of the file.
        marketing: whether it holds advertising to customers.
    """

    name: str
    path: Path
    marketing: bool = False


def extra_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--extra`` to a command, which receives a list of :class:`Extra` as ``extra``."""
    return click.option(
        "--extra",
        multiple=True,
        callback=_parse_extras,
        metavar="[marketing:]NAME=FILE",
        help="Additional labelled file of ham (counts as notices), spam, or both; repeatable.",
    )(command)


def extra_figures(extra: Extra, classifier: SpamClassifier) -> dict[str, Any]:
    """Score a file and return its kind, and false-positive rate and recall of each mode.

    A file with both labels also has ranking measures.

    Raises:
        InputError: the file cannot be read.
    """
    messages = read_messages(extra.path, CorpusOptions())
    scores = classifier.score([message.text for message in messages]).astype(np.float64)
    is_spam = np.array([message.is_spam for message in messages])
    return {
        "name": extra.name,
        "kind": MARKETING if extra.marketing else _kind(is_spam),
        "n_ham": int((~is_spam).sum()),
        "n_spam": int(is_spam.sum()),
        "modes": {
            mode: {rate: figures[rate] for rate in MEANS.values()}
            for mode, figures in mode_figures(scores, is_spam, classifier.manifest.thresholds).items()
        },
        **_ranking(scores, is_spam, classifier.threshold),
    }


def mean_over_files(files: Sequence[Mapping[str, Any]], kind: str, mode: str) -> float | None:
    """Return the mean rate of the files of a kind, each with the same weight; None without such files."""
    rates = [file["modes"][mode][MEANS[kind]]["value"] for file in files if file["kind"] == kind]
    return float(np.mean(rates)) if rates else None


def _parse_extras(context: click.Context, option: click.Parameter, values: Sequence[str]) -> list[Extra]:
    """Parse ``[marketing:]NAME=FILE``.

    Raises:
        click.BadParameter: a value has another form, its file does not exist, or its name is not unique.
    """
    found: list[Extra] = []
    for value in values:
        name, separator, path = value.partition("=")
        plain = name.removeprefix(f"{MARKETING}:")
        if not separator or not plain or not Path(path).is_file():
            raise click.BadParameter(f"{value!r} is not NAME=FILE with a file that exists", context, option)
        if plain in {extra.name for extra in found}:
            raise click.BadParameter(
                f"the name {plain!r} is used twice; give each file a name of its own", context, option
            )
        found.append(Extra(plain, Path(path), marketing=plain != name))
    return found


def _kind(is_spam: NDArray[np.bool_]) -> str:
    if is_spam.all():
        return SPAM
    return BOTH if is_spam.any() else NOTICES


def _ranking(scores: NDArray[np.float64], is_spam: NDArray[np.bool_], threshold: float) -> dict[str, float]:
    if is_spam.all() or not is_spam.any():
        return {}
    found = measures(Scored(scores, scores >= threshold, is_spam, np.arange(len(scores))))
    return {name: found[name] for name in ("f1", "mcc", "pr_auc", "recall_at_fpr_0.5pct")}
