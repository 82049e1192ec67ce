"""Measure, in PyTorch, the variance between training seeds and the optimism of the leaky random split."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spam_edge.training.data.corpus import Prepared
from spam_edge.training.data.messages import SPAM
from tests.evaluation.report.document import PYTORCH
from tests.evaluation.statistics import Measured, Scored, measures
from tests.evaluation.tracks import Track


def leaky_figures(prepared: Prepared, margins: Sequence[float], *, resamples: int) -> dict[str, Any]:
    """Return the figures of the training recipe on the leaky random split.

    Args:
        prepared: the leaky split.
        margins: PyTorch's logit margins on its test messages.
        resamples: number of bootstrap resamples.
    """
    scores = np.asarray(margins, dtype=np.float64)
    is_spam = np.array([example.label == SPAM for example in prepared.splits["test"]])
    scored = Scored(scores, scores > 0, is_spam, np.arange(len(scores)))
    return {
        "title": "random 70/10/20 split with duplicates and templates in every split, without notices, PyTorch",
        "metrics": Measured.of(scored, resamples=resamples).with_intervals(),
    }


def seed_figures(corpus: Track, margins: Sequence[Sequence[float]], *, folds: int) -> dict[str, Any]:
    """Return mean and standard deviation over trainings of all folds that differ only in the seed.

    Args:
        corpus: the corpus track, scored with the first seed.
        margins: PyTorch's logit margins, fold by fold, for each additional seed in turn.
        folds: number of folds.
    """
    first = corpus.systems[PYTORCH]
    runs = [measures(first.votes)]
    for start in range(0, len(margins), folds):
        scores = np.concatenate([np.asarray(one) for one in margins[start : start + folds]])
        runs.append(measures(Scored(scores, scores > 0, first.is_spam, first.clusters).votes))
    return {
        name: {
            "mean": float(np.mean([run[name] for run in runs])),
            "sd": float(np.std([run[name] for run in runs], ddof=1)),
            "values": [run[name] for run in runs],
        }
        for name in runs[0]
        if name.startswith(("recall_at", "pr_auc", "roc"))
    }
