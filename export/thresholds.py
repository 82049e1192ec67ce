"""Fit temperature and thresholds on validation scores of the shipped variant."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from spam_edge.bundle.validation import ValidationScores
from spam_edge.decision.calibration import Calibration
from spam_edge.decision.operating_points import BALANCED, HIGH_RECALL, LOW_FALSE_POSITIVE
from spam_edge.decision.thresholds import errors_allowed, threshold_above_ham, threshold_below_spam, threshold_for_rate

FALSE_POSITIVE_RATE = 0.001
"""Target of the mode low-false-positive: highest share of ham called spam."""
MAX_SPAM_MISSED = 0.5
"""Highest share of validation spam that low-false-positive may miss. With a fifth, classifiers weaker than the packaged
ones had out-of-fold false-positive rates of 3 to 30 times the target."""
MISS_RATE = 0.01
"""Target of the mode high-recall: highest share of validation spam missed."""
MAX_HAM_CALLED_SPAM = 0.05
"""Highest share of validation ham that high-recall may call spam."""

FALSE_POSITIVE_COST = 4
"""Cost of a false positive in missed spam: a lost login code costs its receiver more than a spam that arrives."""
BALANCED_BETWEEN = (0.5, FALSE_POSITIVE_COST / (1 + FALSE_POSITIVE_COST))
"""Range of the threshold of balanced. With calibrated scores, its end has the lowest expected cost (Elkan 2001)."""

_POSITIVE = 1


def fit_temperature(logits: NDArray[np.float32], is_positive: NDArray[np.int64]) -> float:
    """Fit a temperature from 1 to 10 by minimising the negative log-likelihood (Guo et al. 2017).

    Args:
        logits: shape (messages, 2).
        is_positive: shape (messages,), 1 for the positive class.
    """

    def negative_log_likelihood(log_temperature: float) -> float:
        margin = (logits[:, 1] - logits[:, 0]).astype(np.float64) / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0.0, np.where(is_positive == _POSITIVE, -margin, margin))))

    # Fine-tuning makes a model overconfident. A fit below 1 would only mean that the validation split was easy.
    best = minimize_scalar(negative_log_likelihood, bounds=(0.0, np.log(10)), method="bounded")
    return float(np.exp(best.x))


def thresholds_of_modes(scores: ValidationScores, balanced: float) -> dict[str, float]:
    """Return the threshold of each mode, in descending order.

    Each outer mode targets a rate on one class and limits its cost on the other class, so that a few mislabelled
    messages decide nothing. A mode that gains nothing over ``balanced`` has the same threshold.

    Args:
        scores: calibrated validation scores.
        balanced: result of :func:`balanced_threshold`.
    """
    return {
        LOW_FALSE_POSITIVE: _low_false_positive(scores, balanced),
        BALANCED: balanced,
        HIGH_RECALL: _high_recall(scores, balanced),
    }


def _low_false_positive(scores: ValidationScores, balanced: float) -> float:
    """Target a false-positive rate of 0.1 % at or above ``balanced``, but miss at most half of the spam."""
    limit = threshold_below_spam(scores, allowed=errors_allowed(MAX_SPAM_MISSED, len(scores.spam)))
    return max(balanced, min(threshold_for_rate(scores, FALSE_POSITIVE_RATE), limit))


def _high_recall(scores: ValidationScores, balanced: float) -> float:
    """Target a miss rate of 1 % at or below ``balanced``, but call at most 5 % of the ham spam."""
    missed = errors_allowed(MISS_RATE, len(scores.spam))
    if (scores.spam < balanced).sum() <= missed:
        return balanced
    limit = threshold_above_ham(scores, allowed=errors_allowed(MAX_HAM_CALLED_SPAM, len(scores.ham)))
    return min(balanced, max(threshold_below_spam(scores, allowed=missed), limit))


def balanced_threshold(logits: NDArray[np.float32], is_positive: NDArray[np.int64], *, temperature: float) -> float:
    """Return the threshold from 0.5 to 0.8 with the lowest cost, give or take one missed spam.

    The middle of the widest gap (on the logit scale) with such a cost leaves the most margin for new messages, int8
    rounding and other processors. With a few dozen validation spam, one error more or less is chance. A model of many
    messages has few gaps and a threshold near 0.8. A model of few messages is less confident than it is right; there
    0.8 would miss most spam.

    Args:
        logits: shape (messages, 2).
        is_positive: shape (messages,), 1 for the positive class; both classes must occur.
        temperature: divisor of the logits.
    """
    calibration = Calibration(temperature)
    margins = calibration.margins(logits).astype(np.float64)
    low, high = (calibration.margin_of(score) for score in BALANCED_BETWEEN)
    order = np.argsort(margins)
    hits = is_positive[order]
    missed = np.concatenate(([0], np.cumsum(hits)))
    false_positives = np.concatenate((np.cumsum(1 - hits[::-1])[::-1], [0]))
    # The outermost gaps extend to the bounds of the threshold.
    ranked = np.concatenate(([min(low, margins.min())], margins[order], [max(high, margins.max())]))
    cost, gaps = missed + FALSE_POSITIVE_COST * false_positives, np.diff(ranked)
    # Equal scores have no gap between them.
    inside = (ranked[1:] > low) & (ranked[:-1] < high) & (gaps > 0)
    candidates = np.flatnonzero(inside & (cost <= cost[inside].min() + 1))
    best = candidates[np.argmax(gaps[candidates])]
    middle = float(np.clip((ranked[best] + ranked[best + 1]) / 2, low, high))
    return float(calibration.scores_of(np.array([middle], dtype=np.float32))[0])
