"""Temperature and thresholds, from validation scores of the file that ships."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from spam_edge.operating_points import BALANCED, HIGH_RECALL, LOW_FALSE_POSITIVE
from spam_edge.scores import margin_at, probabilities
from spam_edge.thresholds import errors_allowed, threshold_above_ham, threshold_below_spam, threshold_for_rate
from spam_edge.validation import ValidationScores

FALSE_POSITIVE_RATE = 0.001
"""Of the mode low-false-positive: the share of ham that it aims to call spam at most."""
GIVEN_UP = 0.5
"""Of the mode low-false-positive: the share of validation spam that it may miss for that. With a fifth, the rate of
weaker classifiers than the packaged ones came out at 3 to 30 times what it aims at, out of fold."""
MISS_RATE = 0.01
"""Of the mode high-recall: the share of validation spam that it aims to miss at most."""
GIVEN_AWAY = 0.02
"""Of the mode high-recall: the share of validation ham that it may call spam for that."""

BALANCED_BETWEEN = (0.5, 0.75)
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

    Each of the outer two aims at a rate on one class and has a limit on what that may cost of the other, so that a few
    messages with the wrong label decide nothing. One that has nothing to win over ``balanced`` is ``balanced``.

    Args:
        scores: what validation messages got.
        balanced: see :func:`choose_threshold`.
    """
    return {
        LOW_FALSE_POSITIVE: _low_false_positive(scores, balanced),
        BALANCED: balanced,
        HIGH_RECALL: _high_recall(scores, balanced),
    }


def _low_false_positive(scores: ValidationScores, balanced: float) -> float:
    """Aim at one ham in 1,000, above ``balanced``, but do not miss more than half of the spam for it."""
    limit = threshold_below_spam(scores, allowed=errors_allowed(GIVEN_UP, len(scores.spam)))
    return max(balanced, min(threshold_for_rate(scores, FALSE_POSITIVE_RATE), limit))


def _high_recall(scores: ValidationScores, balanced: float) -> float:
    """Aim to miss 1 % of the spam, below ``balanced``, but do not call more than 2 % of the ham spam for it."""
    missed = errors_allowed(MISS_RATE, len(scores.spam))
    if (scores.spam < balanced).sum() <= missed:
        return balanced
    limit = threshold_above_ham(scores, allowed=errors_allowed(GIVEN_AWAY, len(scores.ham)))
    return min(balanced, max(threshold_below_spam(scores, allowed=missed), limit))


def choose_threshold(logits: NDArray[np.float32], is_positive: NDArray[np.int64], *, temperature: float) -> float:
    """Choose a score from 0.5 to 0.75 with the fewest errors, give or take one, in the middle of the widest such gap.

    A lost login code costs its receiver more than a spam that arrives. Where scores are calibrated, a threshold of 0.5
    says that a false alarm is as bad as a missed spam, one of 0.75 as bad as three: so the threshold is looked
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
