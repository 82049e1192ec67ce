"""Fit the thresholds of the modes on validation scores, and compute their metrics on the test split."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.checkpoint import Split
from export.errors import ExportError
from export.thresholds import balanced_threshold, thresholds_of_modes
from spam_edge.bundle.manifest import Manifest
from spam_edge.bundle.validation import VALIDATION_NAME, ValidationScores
from spam_edge.decision.calibration import Calibration
from spam_edge.decision.intervals import counted
from spam_edge.decision.operating_points import HIGH_RECALL, LOW_FALSE_POSITIVE

_POSITIVE = 1


def validation_scores(
    split: Split, logits: NDArray[np.float32], *, temperature: float, variant: str
) -> ValidationScores:
    """Return the calibrated validation scores, one message per near-duplicate cluster.

    Args:
        split: validation split.
        logits: logits of the variant, shape (messages, 2).
        temperature: divisor of the logits.
        variant: name of the variant.

    Raises:
        ExportError: the split has no ham or no spam.
    """
    rows = split.one_per_cluster
    is_positive = split.is_positive[rows]
    if len(np.unique(is_positive)) < 2:
        raise ExportError(
            f"the validation split has {int(is_positive.sum())} spam and {int((1 - is_positive).sum())} ham, one per "
            "near-duplicate cluster; thresholds need both: train with more messages"
        )
    scores = Calibration(temperature).scores(logits[rows])
    return ValidationScores.of(scores, is_positive, kinds=[split.kinds[row] for row in rows], variant=variant)


def fit_thresholds(split: Split, logits: NDArray[np.float32], *, temperature: float, variant: str) -> dict[str, float]:
    """Return the threshold of each mode; arguments as in :func:`validation_scores`.

    Raises:
        ExportError: the split has no ham or no spam.
    """
    scores = validation_scores(split, logits, temperature=temperature, variant=variant)
    rows = split.one_per_cluster
    return thresholds_of_modes(
        scores, balanced_threshold(logits[rows], split.is_positive[rows], temperature=temperature)
    )


def metrics_of_modes(manifest: Manifest, split: Split, scores: NDArray[np.float32]) -> dict[str, dict[str, Any]]:
    """Return precision, recall and false-positive rate of each mode, one vote per near-duplicate cluster.

    Args:
        manifest: provides the thresholds.
        split: the test split.
        scores: calibrated scores of the shipped variant, shape (messages,).
    """
    scores, is_spam = scores[split.one_per_cluster], split.is_positive[split.one_per_cluster] == _POSITIVE
    return {mode: _metrics(scores >= threshold, is_spam) for mode, threshold in manifest.thresholds.items()}


def metrics_of_band(manifest: Manifest, split: Split, scores: NDArray[np.float32]) -> dict[str, dict[str, Any]]:
    """Return the share of ham and of spam that is UNSURE; arguments as in :func:`metrics_of_modes`."""
    scores, is_spam = scores[split.one_per_cluster], split.is_positive[split.one_per_cluster] == _POSITIVE
    unsure = (scores >= manifest.thresholds[HIGH_RECALL]) & (scores < manifest.thresholds[LOW_FALSE_POSITIVE])
    classes = {"ham": ~is_spam, "spam": is_spam}
    return {name: counted(int((unsure & rows).sum()), int(rows.sum())) for name, rows in classes.items()}


def write_validation(folder: Path, scores: ValidationScores) -> None:
    """Write ``validation.json`` into the folder."""
    (folder / VALIDATION_NAME).write_text(json.dumps(scores.to_dict()) + "\n", encoding="utf-8")


def _metrics(called: NDArray[np.bool_], is_spam: NDArray[np.bool_]) -> dict[str, Any]:
    hits = int((called & is_spam).sum())
    return {
        "precision": counted(hits, int(called.sum())),
        "recall": counted(hits, int(is_spam.sum())),
        "false_positive_rate": counted(int(called.sum()) - hits, int((~is_spam).sum())),
    }
