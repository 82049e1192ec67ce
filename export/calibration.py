"""Temperature and thresholds, from validation scores of the file that ships."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from spam_edge.operating_points import (
    BALANCED,
    HIGH_RECALL,
    LOW_FALSE_POSITIVE,
    errors_allowed,
    threshold_above_ham,
    threshold_below_spam,
)
from spam_edge.scores import margin_at, probabilities
from spam_edge.validation import ValidationScores

FALSE_POSITIVE_RATE = 0.001
"""Of the mode low-false-positive: the share of validation ham that it may call spam."""
MISS_RATE = 0.01
"""Of the mode high-recall: the share of validation spam that it may miss."""

BALANCED_BETWEEN = (0.3, 0.5)
"""Scores between which the threshold of the mode balanced lies."""

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


def choose_thresholds(scores: ValidationScores, balanced: float) -> dict[str, float]:
    """Return the threshold of each mode, from the highest to the lowest.

    Where one error is more than a rate allows, which it is below 1,000 ham and 100 spam, a mode allows none. A mode
    that would come out on the wrong side of ``balanced``, which leaves room for one error, is ``balanced``.

    Args:
        scores: what validation messages got.
        balanced: see :func:`choose_threshold`.
    """
    low_false_positive = threshold_above_ham(scores, allowed=errors_allowed(FALSE_POSITIVE_RATE, len(scores.ham)))
    high_recall = threshold_below_spam(scores, allowed=errors_allowed(MISS_RATE, len(scores.spam)))
    return {
        LOW_FALSE_POSITIVE: max(low_false_positive, balanced),
        BALANCED: balanced,
        HIGH_RECALL: min(high_recall, balanced),
    }


def choose_threshold(logits: NDArray[np.float32], is_positive: NDArray[np.int64], *, temperature: float) -> float:
    """Choose a score from 0.3 to 0.5 with the fewest errors, give or take one, in the middle of the widest such gap.

    Where scores are calibrated, F1 is highest at half of the F1 that is reached (Lipton et al. 2014), and a threshold
    of 0.3 says that a missed spam is as bad as 2.3 false alarms, one of 0.5 as bad as one: so the threshold is looked
    for between these. Which of the gaps between neighbouring scores there has one error less is chance when validation
    holds a few dozen spam; the widest one (on the logit scale) leaves the most room for new messages, and for the
    rounding of int8 and of other processors.

    Args:
        logits: shape (messages, 2).
        is_positive: shape (messages,), 1 for the positive class; both classes must occur.
        temperature: what the logits are divided by.
    """
    margins = (logits[:, 1] - logits[:, 0]).astype(np.float64)
    low, high = (margin_at(score, temperature=temperature) for score in BALANCED_BETWEEN)
    order = np.argsort(margins)
    hits = is_positive[order]
    missed = np.concatenate(([0], np.cumsum(hits)))
    false_alarms = np.concatenate((np.cumsum(1 - hits[::-1])[::-1], [0]))
    # below the lowest score and above the highest there is room too, as far as the threshold may go
    ranked = np.concatenate(([min(low, margins.min())], margins[order], [max(high, margins.max())]))
    errors, gaps = missed + false_alarms, np.diff(ranked)
    # between equal scores there is no threshold
    inside = (ranked[1:] > low) & (ranked[:-1] < high) & (gaps > 0)
    candidates = np.flatnonzero(inside & (errors <= errors[inside].min() + 1))
    best = candidates[np.argmax(gaps[candidates])]
    middle = float(np.clip((ranked[best] + ranked[best + 1]) / 2, low, high))
    margin = np.array([[0.0, middle]], dtype=np.float32)
    return float(probabilities(margin, temperature=temperature, positive_index=_POSITIVE)[0])
