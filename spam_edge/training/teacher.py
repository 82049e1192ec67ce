"""Soft targets: what a second model, which sees characters and knows no words, makes of each training message.

A fine-tuned transformer learns every label by heart, the wrong ones too. Here a linear model on character n-grams
judges each message from messages of other clusters alone, and the target is drawn a little towards its verdict: a label
that nothing similar supports counts less. It judges the very form of the message that is trained on, so that the target
says what respelling left of the evidence. It is the distillation of Hinton et al. (2015) from a
cross-fitted teacher, which judges whatever the student sees (Beyer et al. 2022). Notices it does not judge: their
labels are what they were written for.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from spam_edge.training.messages import LABELS, SPAM
from spam_edge.training.splits import NOTICES, Example

_FOLDS = 5


class SoftTargets:
    """Targets of training messages in whatever form they are trained on.

    Args:
        examples: n training messages.
        normalize: what a message goes through before it is judged.
        share: of the teacher in the target, from 0 (the labels as they are) to 1.
        seed: of the folds and the models.
    """

    def __init__(
        self, examples: Sequence[Example], normalize: Callable[[str], str], *, share: float, seed: int
    ) -> None:
        self._is_spam = np.array([example.label == SPAM for example in examples], dtype=np.int64)
        clusters = np.array([example.cluster for example in examples])
        self._normalize = normalize
        enough = min(len(set(clusters[self._is_spam == label])) for label in range(len(LABELS)))
        self._shares = np.array([0 if NOTICES in example.corpus else share for example in examples])
        self._judges: list[tuple[NDArray[np.int64], Pipeline]] = []
        if share and enough >= _FOLDS:
            self._fit([example.text for example in examples], clusters, seed)

    def of(self, forms: Sequence[str]) -> NDArray[np.float32]:
        """Return the probabilities of both labels to train towards, shape (n, 2).

        Args:
            forms: one of each training message, in their order.
        """
        target = self._is_spam.astype(np.float64)
        if self._judges:
            verdicts = self._platt.predict_proba(self._margins(self._read(forms)))[:, 1]
            target = (1 - self._shares) * target + self._shares * verdicts
        return np.stack([1 - target, target], axis=1).astype(np.float32)

    def _fit(self, texts: Sequence[str], clusters: NDArray[np.int64], seed: int) -> None:
        read = self._read(texts)
        folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
        self._judges = [
            (held_out, _linear_model(seed).fit(read[rest], self._is_spam[rest]))
            for rest, held_out in folds.split(read, self._is_spam, clusters)
        ]
        self._platt = LogisticRegression(C=10).fit(self._margins(read), self._is_spam)

    def _read(self, texts: Sequence[str]) -> NDArray[np.object_]:
        return np.array([self._normalize(text) for text in texts], dtype=object)

    def _margins(self, read: NDArray[np.object_]) -> NDArray[np.float64]:
        """Return what the model that does not know the cluster of a message makes of it, shape (n, 1)."""
        margins = np.empty((len(read), 1))
        for held_out, model in self._judges:
            margins[held_out, 0] = model.decision_function(read[held_out])
        return margins


def _linear_model(seed: int) -> Pipeline:
    features = TfidfVectorizer(analyzer="char", ngram_range=(2, 5), lowercase=False, sublinear_tf=True, min_df=2)
    return make_pipeline(features, LinearSVC(C=2, random_state=seed))
