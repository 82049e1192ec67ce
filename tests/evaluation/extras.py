"""Labelled files beside the corpus: ``--extra NAME=FILE``, and what the labels of a file make of it.

A file of ham alone counts as notices, one of spam alone as spam; one with both stands for itself. Advertising to a
company's own customers is named ``marketing:NAME=FILE``: whether it is spam is the receiver's to say, so its figures
are reported and no goal counts them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from spam_edge.classifier import SpamClassifier
from spam_edge.training.notices import MARKETING
from spam_edge.training.readers import ReadOptions, read_messages
from tests.evaluation.modes import mode_figures
from tests.evaluation.statistics import Scored, measures

NOTICES, SPAM, BOTH = "notices", "spam", "both"
MEANS = {NOTICES: "false_positive_rate", SPAM: "recall"}
"""Kinds of files whose mean counts, with the rate that it is the mean of."""


@dataclass(frozen=True, slots=True)
class Extra:
    """One labelled file.

    Attributes:
        name: for the report.
        path: of the file.
        marketing: whether it holds advertising to customers.
    """

    name: str
    path: Path
    marketing: bool = False


def extra_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--extra``, which passes :class:`Extra` objects on as ``extra``."""
    return click.option(
        "--extra",
        multiple=True,
        callback=_parse_extras,
        metavar="[marketing:]NAME=FILE",
        help="A further labelled file, of ham (counted as notices), of spam, or of both; repeat.",
    )(command)


def extra_figures(extra: Extra, classifier: SpamClassifier) -> dict[str, Any]:
    """Score a file and return its kind, false alarms and recall of each mode, and of both labels also its ranking.

    Raises:
        InputError: the file cannot be read.
    """
    messages = read_messages(extra.path, ReadOptions())
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
    """Return the mean of the files of a kind, each with the same weight; None where there is none."""
    rates = [file["modes"][mode][MEANS[kind]]["value"] for file in files if file["kind"] == kind]
    return float(np.mean(rates)) if rates else None


def _parse_extras(context: click.Context, option: click.Parameter, values: Sequence[str]) -> list[Extra]:
    """Parse ``[marketing:]NAME=FILE``.

    Raises:
        click.BadParameter: one has another form, or no such file is there, or two have the same name.
    """
    found: list[Extra] = []
    for value in values:
        name, separator, path = value.partition("=")
        plain = name.removeprefix(f"{MARKETING}:")
        if not separator or not plain or not Path(path).is_file():
            raise click.BadParameter(f"{value!r} is not NAME=FILE with a file that exists", context, option)
        if plain in {extra.name for extra in found}:
            raise click.BadParameter(f"the name {plain!r} stands twice; give each file its own", context, option)
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
