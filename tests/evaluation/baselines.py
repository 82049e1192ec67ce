"""Baselines, fitted in the same folds as spam-edge."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from spam_edge.training.model import base_model

_MAX_LENGTH = 128


class Baseline(Protocol):
    """A fitted baseline. Its decision function is above 0 for spam."""

    def decision_function(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return one number per text; higher is more spam-like."""


def char_svm(texts: Sequence[str], is_spam: NDArray[np.bool_]) -> Pipeline:
    """Fit a linear SVM on TF-IDF of character 3- to 5-grams."""
    features = TfidfVectorizer(analyzer="char", ngram_range=(3, 5), sublinear_tf=True, min_df=2)
    return make_pipeline(features, LinearSVC()).fit(texts, is_spam)


def word_lr(texts: Sequence[str], is_spam: NDArray[np.bool_]) -> Pipeline:
    """Fit logistic regression on TF-IDF of words and word pairs."""
    features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return make_pipeline(features, LogisticRegression(C=30, max_iter=2000)).fit(texts, is_spam)


class FrozenEncoder:
    """Logistic regression on the first token of the frozen base model, as in the code this project started from."""

    def __init__(self, base: base_model.BaseModel) -> None:
        self._tokenizer = base_model.load_tokenizer(base, _MAX_LENGTH)
        self._body = base_model.load_model(base, 0).base_model.eval()
        self._known: dict[str, NDArray[np.float32]] = {}

    def fit(self, texts: Sequence[str], is_spam: NDArray[np.bool_]) -> "FrozenEncoder":
        """Fit the head."""
        self._head = LogisticRegression(C=10, max_iter=2000).fit(self._features(texts), is_spam)
        return self

    def decision_function(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return one number per text; higher is more spam-like."""
        numbers: NDArray[np.float64] = self._head.decision_function(self._features(texts))
        return numbers

    @torch.inference_mode()
    def _features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        new = sorted({text for text in texts if text not in self._known}, key=len)
        for start in range(0, len(new), 32):
            some = new[start : start + 32]
            batch = self._tokenizer(some, truncation=True, max_length=_MAX_LENGTH, padding=True, return_tensors="pt")
            output = self._body(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
            self._known.update(zip(some, output.last_hidden_state[:, 0].numpy(), strict=True))
        return np.stack([self._known[text] for text in texts])


@cache
def fitters(base: base_model.BaseModel) -> Mapping[str, Callable[[Sequence[str], NDArray[np.bool_]], Any]]:
    """Return the fit function of each baseline. Folds of one process share the features of the frozen encoder."""
    frozen = FrozenEncoder(base)
    return {"char_svm": char_svm, "word_lr": word_lr, "frozen_encoder": frozen.fit}


TITLES = {
    "spam_edge": "spam-edge, int8 as shipped",
    "pytorch": "same model in PyTorch fp32",
    "char_svm": "character 3- to 5-grams, linear SVM",
    "word_lr": "words and word pairs, logistic regression",
    "frozen_encoder": "frozen base model, logistic regression",
}
"""Titles of the systems by name."""
