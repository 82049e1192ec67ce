"""Soft targets: what a second model, which sees characters and knows no words, makes of each training message.

A fine-tuned transformer learns every label by heart, the wrong ones too. Here a linear model on character n-grams
judges each message from messages of other clusters alone, and the target is drawn a little towards its verdict: a label
that nothing similar supports counts less. It is the distillation of Hinton et al. (2015) from a cross-fitted teacher.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from spam_edge.training.messages import LABELS, SPAM
from spam_edge.training.splits import Example

_FOLDS = 5


def soft_targets(examples: Sequence[Example], *, weight: float, seed: int) -> NDArray[np.float32]:
    """Return the probabilities of both labels to train towards, shape (n, 2).

    Args:
        examples: n training messages.
        weight: share of the teacher in the target, from 0 (the labels as they are) to 1.
        seed: of the folds.
    """
    is_spam = np.array([example.label == SPAM for example in examples], dtype=np.int64)
    clusters = np.array([example.cluster for example in examples])
    target = is_spam.astype(np.float64)
    enough = min(len(set(clusters[is_spam == label])) for label in range(len(LABELS)))
    if weight and enough >= _FOLDS:
        texts = np.array([example.text for example in examples], dtype=object)
        target = (1 - weight) * target + weight * _cross_fitted(texts, is_spam, clusters, seed)
    return np.stack([1 - target, target], axis=1).astype(np.float32)


def _cross_fitted(
    texts: NDArray[np.object_], is_spam: NDArray[np.int64], clusters: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    margins = np.empty(len(texts))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    for rest, held_out in folds.split(texts, is_spam, clusters):
        margins[held_out] = _teacher().fit(texts[rest], is_spam[rest]).decision_function(texts[held_out])
    platt = LogisticRegression(C=10).fit(margins[:, None], is_spam)
    scores: NDArray[np.float64] = platt.predict_proba(margins[:, None])[:, 1]
    return scores


def _teacher() -> Pipeline:
    features = TfidfVectorizer(analyzer="char", ngram_range=(2, 5), lowercase=False, sublinear_tf=True, min_df=2)
    return make_pipeline(features, LinearSVC(C=2))
