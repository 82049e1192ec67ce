"""How far the figures are luck or leakage: other seeds, and the split of most papers. Both in PyTorch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spam_edge.training.corpus import Prepared
from spam_edge.training.messages import SPAM
from tests.evaluation.report.document import PYTORCH
from tests.evaluation.statistics import Measured, Scored, measures
from tests.evaluation.tracks import Track


def leaky_figures(prepared: Prepared, margins: Sequence[float], *, resamples: int) -> dict[str, Any]:
    """Return what the split of most papers would make of the same recipe.

    Args:
        prepared: that split.
        margins: what PyTorch says of its test messages, as differences of logits.
        resamples: of the bootstrap.
    """
    scores = np.asarray(margins, dtype=np.float64)
    is_spam = np.array([example.label == SPAM for example in prepared.sides["test"]])
    scored = Scored(scores, scores > 0, is_spam, np.arange(len(scores)))
    return {
        "title": "random 70/10/20 split with duplicates and templates on every side, without notices, PyTorch",
        "metrics": Measured.of(scored, resamples=resamples).with_intervals(),
    }


def seed_figures(corpus: Track, margins: Sequence[Sequence[float]], *, folds: int) -> dict[str, Any]:
    """Return mean and standard deviation over trainings of all folds that differ in their seed alone.

    Args:
        corpus: scored with the first seed.
        margins: what PyTorch says of the corpus, fold by fold, with the second seed, then with the third, ...
        folds: how many there are.
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
