"""Where scores become labels: the modes of a bundle, a rate of false alarms, or a threshold of one's own."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle import Bundle
from spam_edge.errors import OperatingPointError
from spam_edge.intervals import clopper_pearson
from spam_edge.manifest import Manifest
from spam_edge.session import RuntimeOptions
from spam_edge.validation import ValidationScores

BALANCED = "balanced"
LOW_FALSE_POSITIVE = "low-false-positive"
HIGH_RECALL = "high-recall"
MODES = (LOW_FALSE_POSITIVE, BALANCED, HIGH_RECALL)
"""From the highest threshold to the lowest."""
UNSURE = "UNSURE"
"""The label of scores that are too high for the one class and too low for the other."""
_ROOM = 0.5  # logits, where no message lies on the other side of a threshold
_ROUNDING = 1e-9


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
        """Upper end of the 95 % Clopper-Pearson interval of the rate."""
        return clopper_pearson(self.count, self.n)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """What a score is called.

    Attributes:
        labels: the negative and the positive one, and ``UNSURE`` where that may occur.
        threshold: lowest score that is called positive.
        unsure_from: lowest score that is called ``UNSURE``; None where none is.
        mode: the mode of the bundle that this is; None where it is none of them.
        false_alarms: what was counted on validation; None unless a rate was asked for.
    """

    labels: tuple[str, ...]
    threshold: float
    unsure_from: float | None = None
    mode: str | None = None
    false_alarms: FalseAlarms | None = None

    @classmethod
    def of(cls, bundle: Bundle, options: RuntimeOptions) -> "OperatingPoint":
        """Return what a bundle decides with under these options.

        Raises:
            OperatingPointError: the bundle does not have the mode, or cannot keep to the rate.
            BundleIntegrityError: the validation scores, which a rate is kept to with, are missing or damaged.
        """
        manifest = bundle.manifest
        labels = (manifest.negative_label, manifest.positive_label)
        if options.unsure:
            low, high = (_threshold(manifest, mode) for mode in (HIGH_RECALL, LOW_FALSE_POSITIVE))
            return cls(labels=(*labels, UNSURE), threshold=high, unsure_from=low)
        if options.max_fpr is not None:
            scores = ValidationScores.read(bundle, verify=options.verify)
            threshold, alarms = threshold_at_rate(scores, options.max_fpr)
            return cls(labels=labels, threshold=threshold, false_alarms=alarms)
        if options.threshold is not None:
            return cls(labels=labels, threshold=options.threshold)
        mode = manifest.default_mode if options.mode is None else options.mode
        return cls(labels=labels, threshold=_threshold(manifest, mode), mode=mode)

    @property
    def boundaries(self) -> list[float]:
        """The scores at which the label changes."""
        return [self.threshold] if self.unsure_from is None else [self.unsure_from, self.threshold]

    def label(self, score: float) -> str:
        """Name a score."""
        if score >= self.threshold:
            return self.labels[1]
        unsure = self.unsure_from is not None and score >= self.unsure_from
        return UNSURE if unsure else self.labels[0]


def threshold_at_rate(scores: ValidationScores, rate: float) -> tuple[float, FalseAlarms]:
    """Return the threshold that calls at most the share ``rate`` of the validation ham positive, and the count.

    Raises:
        OperatingPointError: more of them than that have the score 1, above which there is no threshold.
    """
    threshold = threshold_above_ham(scores, allowed=errors_allowed(rate, len(scores.ham)))
    alarms = FalseAlarms.at(threshold, scores.ham)
    if alarms.count > rate * alarms.n + _ROUNDING:
        raise OperatingPointError(
            f"no threshold keeps false positives at {rate:g}: {alarms.count} of {alarms.n} validation ham have the "
            "score 1; train again, or allow more"
        )
    return threshold, alarms


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


def _threshold(manifest: Manifest, mode: str) -> float:
    if mode not in manifest.thresholds:
        raise OperatingPointError(
            f"this bundle has no mode {mode!r}; it has {', '.join(manifest.thresholds)}; name one of these, or export "
            "the bundle again"
        )
    return manifest.thresholds[mode]


def _logit(score: float) -> float:
    if score in (0.0, 1.0):
        return math.inf if score else -math.inf
    return math.log(score) - math.log1p(-score)


def _score(logit: float) -> float:
    odds = math.exp(-abs(logit))
    return 1 / (1 + odds) if logit > 0 else odds / (1 + odds)
