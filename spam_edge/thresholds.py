"""Thresholds from validation scores: what they let through there, and what new messages may be expected to come to."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spam_edge.errors import OperatingPointError
from spam_edge.intervals import highest_rate, hits_allowed, tries_needed
from spam_edge.validation import ValidationScores

TAIL_SHARE = 0.05
"""Part of the ham, from the highest down, that the tail is fitted to."""
TAIL_LEAST = 10
"""Ham that it takes at least to fit a tail."""
_ROOM = 0.5  # logits, where no message lies on the other side of a threshold
_ROUNDING = 1e-9
_LOWEST, _HIGHEST = 1e-30, 1 - 2.0**-24  # next to 0 and 1, where logits of single-precision scores are still finite


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """How many ham of the validation split a threshold calls positive.

    Attributes:
        count: those at or above the threshold.
        n: all of them, one for each cluster of near duplicates.
    """

    count: int
    n: int

    @classmethod
    def at(cls, threshold: float, ham: NDArray[np.float64]) -> "FalseAlarms":
        """Count the scores that reach a threshold."""
        return cls(int((ham >= threshold).sum()), len(ham))

    @property
    def highest_rate(self) -> float:
        """The rate that is not exceeded, with 95 % confidence: the one-sided Clopper-Pearson bound."""
        return highest_rate(self.count, self.n)

    def show(self, rate: float) -> bool:
        """Whether they show that, with 95 % confidence, the rate is at most ``rate``."""
        allowed = hits_allowed(rate, self.n)
        return allowed is not None and self.count <= allowed


def threshold_at_rate(scores: ValidationScores, rate: float, *, unproven: bool = False) -> tuple[float, FalseAlarms]:
    """Return the lowest threshold of which the validation ham show that it calls at most this share of ham positive.

    How many of n ham may reach it follows from the rate alone, so that the bound holds for the threshold that is chosen
    by it, whatever the distribution: it is a tolerance limit (Wilks 1941).

    Args:
        scores: what validation messages got.
        rate: what the rate is, with 95 % confidence, not above.
        unproven: where there is too little ham to show it, return the best estimate.

    Returns:
        The threshold, and how many validation ham reach it.

    Raises:
        OperatingPointError: there is too little ham, or too many of them have the score 1, above which there is no
            threshold.
    """
    allowed = hits_allowed(rate, len(scores.ham))
    if allowed is None and not unproven:
        raise OperatingPointError(_too_few(rate, len(scores.ham)))
    threshold = threshold_for_rate(scores, rate)
    alarms = FalseAlarms.at(threshold, scores.ham)
    if alarms.count > (allowed or 0):
        raise OperatingPointError(
            f"no threshold keeps false positives at {rate:g}: {alarms.count} of {alarms.n} validation ham have the "
            "score 1; train again, or allow more"
        )
    return threshold, alarms


def threshold_for_rate(scores: ValidationScores, rate: float) -> float:
    """Return the lowest threshold of which the validation ham show that rate, else the best estimate.

    Where there is too little ham to show it, the estimate is above all of it, and where its tail says so, higher. Above
    the highest of n messages, 1 / (n + 1) of new ones are to be expected, whatever their distribution: that is the mean
    over validation splits, which any single one may miss.
    """
    allowed = hits_allowed(rate, len(scores.ham))
    if allowed is not None:
        return threshold_above_ham(scores, allowed=allowed)
    return max(threshold_above_ham(scores, allowed=0), tail_threshold(scores.ham, rate))


def tail_threshold(ham: NDArray[np.float64], rate: float) -> float:
    """Return the score above which the share ``rate`` of ham lies, if the logits of the highest 5 % are exponential.

    Peaks over threshold: of ham above the score that 5 % exceed, what they exceed it by on the logit scale is taken for
    exponential (Pickands 1975, with shape 0), and its mean is fitted. A shape that was fitted, too, would follow a few
    odd messages far up, and thresholds would lose most spam.

    Args:
        ham: scores, ascending, shape (ham,).
        rate: 0 to ``TAIL_SHARE``.

    Returns:
        A score, 0 where there is too little ham to fit a tail.
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
    """Return how many of ``n`` messages a rate allows; as floats, 29 % of 100 are a little less than 29."""
    return min(n, math.floor(rate * n + _ROUNDING))


def threshold_above_ham(scores: ValidationScores, *, allowed: int) -> float:
    """Return the threshold that calls at most ``allowed`` of the ham positive, in the middle of the gap that it has.

    The middle is that on the logit scale, between the first ham that must stay below and the next message of either
    class above it; where there is none, half a logit above that ham. It is 1 where that ham has the score 1 itself.
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
    """Return the threshold that misses at most ``allowed`` of the spam, in the middle of the gap that it has.

    As :func:`threshold_above_ham`, the other way round: between the first spam that must be reached and the next
    message of either class below it; where there is none, half a logit below that spam.
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
    wanted = "no number of them does" if needed is None else f"it takes {needed:,}"
    lowest = highest_rate(0, n)
    digits = 2 - math.floor(math.log10(lowest))
    shown = (math.floor(lowest * 10**digits) + 1) / 10**digits  # above it, so that what is named is not refused, too
    return (
        f"{n:,} validation ham cannot show a false-positive rate of at most {rate:g}: {wanted}; ask for {shown:g} or "
        "more, validate with more ham, or insist on an estimate with --max-fpr-unproven (max_fpr_unproven)"
    )
