"""The modes of a bundle: their thresholds, from validation, and what the test split says of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.calibration import choose_threshold, choose_thresholds
from export.checkpoint import Split
from export.errors import ExportError
from spam_edge.intervals import counted
from spam_edge.manifest import Manifest
from spam_edge.operating_points import HIGH_RECALL, LOW_FALSE_POSITIVE
from spam_edge.scores import probabilities
from spam_edge.validation import VALIDATION_NAME, ValidationScores

_POSITIVE = 1


def validation_scores(
    split: Split, logits: NDArray[np.float32], *, temperature: float, variant: str
) -> ValidationScores:
    """Return the calibrated scores of the validation split, one for each cluster of near duplicates.

    Args:
        split: the messages.
        logits: what the variant says of them, shape (messages, 2).
        temperature: what the logits are divided by.
        variant: the file that gave them.

    Raises:
        ExportError: there is no ham or no spam.
    """
    rows = split.one_per_cluster
    is_positive = split.is_positive[rows]
    if len(np.unique(is_positive)) < 2:
        raise ExportError(
            f"the validation split has {int(is_positive.sum())} spam and {int((1 - is_positive).sum())} ham, near "
            "duplicates once; thresholds need both, so train with more messages"
        )
    scores = probabilities(logits[rows], temperature=temperature, positive_index=_POSITIVE)
    return ValidationScores.of(scores, is_positive, kinds=[split.kinds[row] for row in rows], variant=variant)


def fit_thresholds(split: Split, logits: NDArray[np.float32], *, temperature: float, variant: str) -> dict[str, float]:
    """Return the threshold of each mode; the arguments are those of :func:`validation_scores`.

    Raises:
        ExportError: there is no ham or no spam.
    """
    scores = validation_scores(split, logits, temperature=temperature, variant=variant)
    rows = split.one_per_cluster
    return choose_thresholds(scores, choose_threshold(logits[rows], split.is_positive[rows], temperature=temperature))


def metrics_of_modes(manifest: Manifest, split: Split, scores: NDArray[np.float32]) -> dict[str, dict[str, Any]]:
    """Return precision, recall and false-positive rate of each mode, with one vote for each cluster.

    Args:
        manifest: the thresholds.
        split: the test split.
        scores: calibrated scores of the shipped variant, shape (messages,).
    """
    scores, is_spam = scores[split.one_per_cluster], split.is_positive[split.one_per_cluster] == _POSITIVE
    return {mode: _metrics(scores >= threshold, is_spam) for mode, threshold in manifest.thresholds.items()}


def metrics_of_band(manifest: Manifest, split: Split, scores: NDArray[np.float32]) -> dict[str, dict[str, Any]]:
    """Return the share of ham and of spam that is UNSURE where options allow that; else as :func:`metrics_of_modes`."""
    scores, is_spam = scores[split.one_per_cluster], split.is_positive[split.one_per_cluster] == _POSITIVE
    unsure = (scores >= manifest.thresholds[HIGH_RECALL]) & (scores < manifest.thresholds[LOW_FALSE_POSITIVE])
    classes = {"ham": ~is_spam, "spam": is_spam}
    return {name: counted(int((unsure & rows).sum()), int(rows.sum())) for name, rows in classes.items()}


def write_validation(folder: Path, scores: ValidationScores) -> None:
    """Write ``validation.json``."""
    (folder / VALIDATION_NAME).write_text(json.dumps(scores.to_dict()) + "\n", encoding="utf-8")


def _metrics(called: NDArray[np.bool_], is_spam: NDArray[np.bool_]) -> dict[str, Any]:
    hits = int((called & is_spam).sum())
    return {
        "precision": counted(hits, int(called.sum())),
        "recall": counted(hits, int(is_spam.sum())),
        "false_positive_rate": counted(int(called.sum()) - hits, int((~is_spam).sum())),
    }
