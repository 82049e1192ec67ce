"""Spam filter metrics as one offline ``evaluate.Metric``."""

from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
    roc_curve,
)

FALSE_POSITIVE_RATES: Mapping[str, float] = {"recall_at_fpr_0.1pct": 0.001, "recall_at_fpr_0.5pct": 0.005}
"""Metric name -> false-positive rate."""

_DESCRIPTION = "Quality of a spam score: at a threshold, over all thresholds, and at fixed false-positive rates."
_INPUTS = """
Args:
    predictions: probability of SPAM for each message, from 0 to 1.
    references: 1 for SPAM, 0 for HAM.
    threshold: lowest probability classified as SPAM (default 0.5).
Returns:
    accuracy, precision, recall, f1 (of SPAM), mcc, pr_auc, recall_at_fpr_0.1pct, recall_at_fpr_0.5pct,
    each from 0 to 1 (mcc from -1), and n, n_spam, n_ham.
"""


class SpamMetric(evaluate.Metric):
    """Accuracy, precision, recall, F1 and MCC at a threshold; PR-AUC; recall at 0.1 % and 0.5 % false positives."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("float64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(description=_DESCRIPTION, citation="", inputs_description=_INPUTS, features=features)

    def _compute(
        self, predictions: Sequence[float], references: Sequence[int], threshold: float = 0.5
    ) -> dict[str, float]:
        return spam_metrics(np.asarray(predictions), np.asarray(references), threshold=threshold)


def spam_metrics(
    scores: np.ndarray[Any, np.dtype[np.floating[Any]]],
    is_spam: np.ndarray[Any, np.dtype[np.integer[Any]]],
    *,
    threshold: float = 0.5,
) -> dict[str, float]:
    """Compute the metrics of :class:`SpamMetric`.

    Args:
        scores: shape (n,), probability of SPAM.
        is_spam: shape (n,), 1 for SPAM and 0 for HAM; both must occur.
        threshold: lowest score classified as SPAM.
    """
    called = scores >= threshold
    precision, recall, f1, _ = precision_recall_fscore_support(is_spam, called, average="binary", zero_division=0.0)
    metrics = {
        "accuracy": accuracy_score(is_spam, called),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "mcc": matthews_corrcoef(is_spam, called),
        "pr_auc": average_precision_score(is_spam, scores),
    }
    metrics |= {name: recall_at_fpr(scores, is_spam, rate) for name, rate in FALSE_POSITIVE_RATES.items()}
    counts = {"n": len(is_spam), "n_spam": int(is_spam.sum()), "n_ham": int(len(is_spam) - is_spam.sum())}
    return {name: float(value) for name, value in metrics.items()} | counts


def recall_at_fpr(
    scores: np.ndarray[Any, np.dtype[np.floating[Any]]],
    is_spam: np.ndarray[Any, np.dtype[np.integer[Any]]],
    rate: float,
) -> float:
    """Return the highest recall of any threshold with a false-positive rate of at most ``rate``.

    With fewer than 1 / ``rate`` ham messages no false positive is allowed, so report it together with ``n_ham``.
    """
    false_positive_rate, true_positive_rate, _ = roc_curve(is_spam, scores, drop_intermediate=False)
    return float(true_positive_rate[false_positive_rate <= rate].max())
