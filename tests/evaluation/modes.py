"""Count false positives, recall and precision at the threshold of each mode."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.evaluation.statistics import Rate, Scored, exact_rate


def mode_figures(
    scores: NDArray[np.float64], is_spam: NDArray[np.bool_], thresholds: Mapping[str, float | NDArray[np.float64]]
) -> dict[str, dict[str, Any]]:
    """Return precision, recall, false-positive rate and confusion counts by mode.

    Args:
        scores: shape (n,).
        is_spam: shape (n,).
        thresholds: by mode; one for all messages, or shape (n,).

    Returns:
        Figures by mode. A rate over zero messages is None.
    """
    found = {}
    for mode, threshold in thresholds.items():
        called = scores >= threshold
        tp, fp = int((called & is_spam).sum()), int((called & ~is_spam).sum())
        fn, tn = int((~called & is_spam).sum()), int((~called & ~is_spam).sum())
        rates = {"precision": (tp, tp + fp), "recall": (tp, tp + fn), "false_positive_rate": (fp, fp + tn)}
        found[mode] = {
            **{name: as_json(exact_rate(*counts)) for name, counts in rates.items()},
            "confusion": {"tp": tp, "fp": fp, "fn": fn, "tn": tn},
        }
    return found


def exact_rates(scored: Scored) -> dict[str, dict[str, float] | None]:
    """Return the false-positive rate and recall of a system at its shipped threshold."""
    spam, ham = scored.called[scored.is_spam], scored.called[~scored.is_spam]
    return {
        name: as_json(exact_rate(int(called.sum()), len(called)))
        for name, called in (("false_positive_rate", ham), ("recall", spam))
    }


def as_json(rate: Rate | None) -> dict[str, float] | None:
    """Return the JSON form of a rate; None stays None."""
    return rate.to_dict() if rate else None
