"""Thresholds from validation scores, with bounds on the false-positive rate of new messages."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.validation import ValidationScores
from spam_edge.decision.intervals import highest_rate, hits_allowed, tries_needed
from spam_edge.errors import OperatingPointError

TAIL_SHARE = 0.05
"""Share of the ham with the highest scores to which the tail is fitted."""
TAIL_LEAST = 10
"""Minimum number of ham for a tail fit."""
_ROOM = 0.5  # margin in logits if no message lies on the other side of the threshold
_ROUNDING = 1e-9
_LOWEST, _HIGHEST = 1e-30, 1 - 2.0**-24  # clipping bounds that keep logits of float32 scores finite


@dataclass(frozen=True, slots=True)
class FalsePositives:
    """False positives of a threshold on the validation split.

    Attributes:
        count: number of ham at or above the threshold.
        n: number of ham, one per cluster of near duplicates.
    """

    count: int
    n: int

    @classmethod
    def at(cls, threshold: float, ham: NDArray[np.float64]) -> "FalsePositives":
        """Count the ham scores at or above a threshold."""
        return cls(int((ham >= threshold).sum()), len(ham))

    @property
    def highest_rate(self) -> float:
        """Upper bound of the false-positive rate at 95 % confidence (one-sided Clopper-Pearson)."""
        return highest_rate(self.count, self.n)

    def show(self, rate: float) -> bool:
        """Return whether the counts show a rate of at most ``rate`` with 95 % confidence."""
        allowed = hits_allowed(rate, self.n)
        return allowed is not None and self.count <= allowed


def threshold_at_rate(scores: ValidationScores, rate: float, *, unproven: bool = False) -> tuple[float, FalsePositives]:
    """Return the lowest threshold whose false-positive rate on validation ham is shown to be at most ``rate``.

    The number of ham allowed above the threshold depends on the rate and n only, so the bound also holds for a
    threshold chosen on the same scores, for any distribution: it is a tolerance limit (Wilks 1941).

    Args:
        scores: validation scores.
        rate: bound of the false-positive rate at 95 % confidence, 0 to 1.
        unproven: return the best estimate if the ham are too few to show the rate.

    Returns:
        The threshold and its false positives on the validation split.

    Raises:
        OperatingPointError: the ham are too few, or too many of them have the score 1.
    """
    allowed = hits_allowed(rate, len(scores.ham))
    if allowed is None and not unproven:
        raise OperatingPointError(_too_few(rate, len(scores.ham)))
    threshold = threshold_for_rate(scores, rate)
    false_positives = FalsePositives.at(threshold, scores.ham)
    if false_positives.count > (allowed or 0):
        raise OperatingPointError(
            f"no threshold has a false-positive rate of at most {rate:g}: {false_positives.count} of "
            f"{false_positives.n} validation ham have the score 1; train again, or set a higher rate"
        )
    return threshold, false_positives


def threshold_for_rate(scores: ValidationScores, rate: float) -> float:
    """Return the lowest threshold that shows ``rate`` on the validation ham, else the best estimate.

    The estimate is the higher of two thresholds: one above all ham, and the tail fit. Above the highest of n scores lie
    1 / (n + 1) of new ones for any distribution. That is the mean over validation splits; a single split may miss it.
    """
    allowed = hits_allowed(rate, len(scores.ham))
    if allowed is not None:
        return threshold_above_ham(scores, allowed=allowed)
    return max(threshold_above_ham(scores, allowed=0), tail_threshold(scores.ham, rate))


def tail_threshold(ham: NDArray[np.float64], rate: float) -> float:
    """Return the score that the share ``rate`` of ham exceeds, by a peaks-over-threshold fit.

    The excess of the highest 5 % of ham over the 95 % quantile, on the logit scale, is modelled as exponential
    (Pickands 1975, with shape 0), and its mean is fitted. A fitted shape would follow a few outliers, and the
    thresholds would lose most spam.

    Args:
        ham: scores, ascending, shape (ham,).
        rate: target rate, 0 to ``TAIL_SHARE``.

    Returns:
        A score; 0 if the ham are too few for a fit or the rate is outside the tail.
    """
    count = math.ceil(TAIL_SHARE * len(ham))
    if count < TAIL_LEAST or rate >= TAIL_SHARE:
        return 0.0
    if rate == 0:
        return 1.0
    floor, *exceeding = map(_logit, ham[-1 - count :].tolist())
    excess = math.fsum(logit - floor for logit in exceeding) / count
    return _score(floor + excess * math.log(count / len(ham) / rate))


def errors_allowed(rate: float, n: int) -> int:
    """Return how many of ``n`` messages a rate allows; compensates rounding, as 0.29 * 100 is just below 29."""
    return min(n, math.floor(rate * n + _ROUNDING))


def threshold_above_ham(scores: ValidationScores, *, allowed: int) -> float:
    """Return a threshold with at most ``allowed`` ham at or above it, in the middle of a gap between scores.

    The gap lies between the highest ham that must stay below and the next score of either class above it; its middle
    is taken on the logit scale. Without a next score the threshold is half a logit above that ham. It is 1 if that ham
    has the score 1.
    """
    if allowed >= len(scores.ham):
        return 0.0
    floor = float(scores.ham[-1 - allowed])
    above = scores.all[scores.all > floor]
    if not len(above):
        return min(1.0, max(_score(_logit(floor) + _ROOM), math.nextafter(floor, 2.0)))
    ceiling = float(above[0])
    middle = _score((_logit(floor) + _logit(ceiling)) / 2)
    return middle if floor < middle <= ceiling else ceiling


def threshold_below_spam(scores: ValidationScores, *, allowed: int) -> float:
    """Return a threshold with at most ``allowed`` spam below it, in the middle of a gap between scores.

    The mirror image of :func:`threshold_above_ham`: the gap lies between the lowest spam that must be reached and the
    next score of either class below it. Without one, the threshold is half a logit below that spam.
    """
    if allowed >= len(scores.spam):
        return 1.0
    ceiling = float(scores.spam[allowed])
    below = scores.all[scores.all < ceiling]
    if not len(below):
        return min(ceiling, _score(_logit(ceiling) - _ROOM))
    floor = float(below[-1])
    middle = _score((_logit(floor) + _logit(ceiling)) / 2)
    return middle if floor < middle <= ceiling else ceiling


def _logit(score: float) -> float:
    score = min(max(score, _LOWEST), _HIGHEST)
    return math.log(score) - math.log1p(-score)


def _score(logit: float) -> float:
    odds = math.exp(-abs(logit))
    return 1 / (1 + odds) if logit > 0 else odds / (1 + odds)


def _too_few(rate: float, n: int) -> str:
    needed = tries_needed(rate)
    wanted = "no number is enough" if needed is None else f"{needed:,} are needed"
    lowest = highest_rate(0, n)
    digits = 2 - math.floor(math.log10(lowest))
    shown = (math.floor(lowest * 10**digits) + 1) / 10**digits  # rounded up: the suggested rate must be accepted
    return (
        f"{n:,} validation ham cannot show a false-positive rate of at most {rate:g}: {wanted}; set {shown:g} or "
        "more, validate with more ham, or accept an estimate with --max-fpr-unproven (max_fpr_unproven)"
    )
