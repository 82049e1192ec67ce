"""Temperature and threshold, from validation scores of the file that ships."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from spam_edge.scores import probabilities

_POSITIVE = 1


def fit_temperature(logits: NDArray[np.float32], is_positive: NDArray[np.int64]) -> float:
    """Fit the temperature, from 1 to 10, that minimises the negative log-likelihood (Guo et al. 2017).

    Args:
        logits: shape (messages, 2).
        is_positive: shape (messages,), 1 for the positive class.
    """

    def negative_log_likelihood(log_temperature: float) -> float:
        margin = (logits[:, 1] - logits[:, 0]).astype(np.float64) / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0.0, np.where(is_positive == _POSITIVE, -margin, margin))))

    # Fine-tuning makes a model too sure of itself, not too modest: below 1 the fit only says that validation was easy.
    best = minimize_scalar(negative_log_likelihood, bounds=(0.0, np.log(10)), method="bounded")
    return float(np.exp(best.x))


def choose_threshold(logits: NDArray[np.float32], is_positive: NDArray[np.int64], *, temperature: float) -> float:
    """Choose a threshold with the fewest errors, give or take one, in the middle of the widest gap that has so few.

    Between two neighbouring scores every threshold gives the same verdicts. Which of several good gaps has one error
    less is chance when validation holds a few dozen spam; the widest one (on the logit scale) leaves the most room for
    new messages, and for the rounding of int8 and of other processors.

    Args:
        logits: shape (messages, 2).
        is_positive: shape (messages,), 1 for the positive class; both classes must occur.
        temperature: what the logits are divided by.
    """
    margins = (logits[:, 1] - logits[:, 0]).astype(np.float64)
    order = np.argsort(margins)
    ranked, hits = margins[order], is_positive[order]
    gaps = np.diff(ranked)
    missed = np.cumsum(hits)[:-1]
    false_alarms = np.cumsum(1 - hits[::-1])[::-1][1:]
    errors = missed + false_alarms
    # between equal scores there is no threshold
    candidates = np.flatnonzero((errors <= errors[gaps > 0].min() + 1) & (gaps > 0))
    best = candidates[np.argmax(gaps[candidates])]
    middle = (ranked[best] + ranked[best + 1]) / 2
    margin = np.array([[0.0, middle]], dtype=np.float32)
    return float(probabilities(margin, temperature=temperature, positive_index=_POSITIVE)[0])
