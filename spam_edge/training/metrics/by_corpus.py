"""Per-corpus metrics for a model trained on several corpora."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spam_edge.training.data.splits import rows_by_corpus
from spam_edge.training.metrics.metric import spam_metrics


def metrics_by_corpus(
    scores: np.ndarray[Any, np.dtype[np.floating[Any]]],
    is_spam: np.ndarray[Any, np.dtype[np.integer[Any]]],
    *,
    clusters: Sequence[int],
    corpora: Sequence[Sequence[str]],
    threshold: float = 0.5,
) -> dict[str, dict[str, float]]:
    """Compute metrics for each corpus with one vote per near-duplicate cluster, the first message of the cluster.

    Args:
        scores: shape (n,), probability of SPAM.
        is_spam: shape (n,), 1 for SPAM and 0 for HAM.
        clusters: length n, cluster number of each message.
        corpora: length n, corpus names of each message.
        threshold: lowest score classified as SPAM.

    Returns:
        Corpus name -> the metrics of :func:`spam_metrics` and ``false_positive_rate``. A corpus with only spam has
        ``recall``, ``n``, ``n_spam`` and ``n_ham``; one with only ham has ``false_positive_rate`` and the counts.
    """
    votes = {}
    for name, rows in rows_by_corpus(corpora).items():
        first = np.unique(np.asarray(clusters)[rows], return_index=True)[1]
        votes[name] = np.asarray(rows)[first]
    return {name: _defined(scores[rows], is_spam[rows], threshold) for name, rows in votes.items()}


def _defined(
    scores: np.ndarray[Any, np.dtype[np.floating[Any]]],
    is_spam: np.ndarray[Any, np.dtype[np.integer[Any]]],
    threshold: float,
) -> dict[str, float]:
    called, n, n_spam = scores >= threshold, len(is_spam), int(is_spam.sum())
    metrics: dict[str, float] = {"n": n, "n_spam": n_spam, "n_ham": n - n_spam}
    if n_spam:
        metrics["recall"] = float(called[is_spam == 1].mean())
    if n_spam < n:
        metrics["false_positive_rate"] = float(called[is_spam == 0].mean())
    if 0 < n_spam < n:
        metrics |= spam_metrics(scores, is_spam, threshold=threshold)
    return metrics
