"""Whether new messages get the scores that validation messages got: the population stability index."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spam_edge.manifest import Manifest
from spam_edge.operating_points import HIGH_RECALL, LOW_FALSE_POSITIVE
from spam_edge.validation import ValidationScores

if TYPE_CHECKING:
    from spam_edge.classifier import SpamClassifier

BINS = 10
SMOOTHING = 0.5
"""Messages added to each bin on both sides, so that one that is empty says little and not infinitely much."""
WATCH, RETRAIN = 0.1, 0.25
"""Below the first a score distribution counts as stable, from the second on as another one."""
PER_BIN = 5
"""Messages there have to be for each bin, on average, before anything is said of them."""
STABLE, WATCHED, DRIFTED, TOO_FEW = "stable", "watch", "label a sample and retrain", "too few to say"
_RESAMPLES = 2000
_LEVEL = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What part of some messages is called what.

    Attributes:
        n: the messages.
        spam: the share that is called positive, 0 to 1; 0 of no messages.
        unsure: the share between the thresholds of high-recall and low-false-positive; None where the bundle has none.
    """

    n: int
    spam: float
    unsure: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """New messages beside those of the validation split.

    Attributes:
        psi: population stability index of the scores, over quantile bins of the validation scores.
        chance: what it stays below in 99 of 100 pairs of samples that are so large and come from one distribution.
        verdict: ``stable``, ``watch``, ``label a sample and retrain`` or ``too few to say``.
        threshold: lowest score that is called positive.
        validation: what validation messages are called.
        now: what the new messages are called.
        bins: upper ends of the bins but the last, ascending.
        expected: validation messages by bin.
        counted: new messages by bin.
    """

    psi: float
    chance: float
    verdict: str
    threshold: float
    validation: Shares
    now: Shares
    bins: tuple[float, ...]
    expected: tuple[int, ...]
    counted: tuple[int, ...]

    @property
    def drifted(self) -> bool:
        """Whether the verdict is to retrain."""
        return self.verdict == DRIFTED

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


class DriftMonitor:
    """Counts scores as they come; it keeps none of them."""

    def __init__(self, scores: ValidationScores, manifest: Manifest, *, threshold: float) -> None:
        """Cut the validation scores into bins that hold about as many each.

        Args:
            scores: what to compare with.
            manifest: the thresholds of the band in which nothing is sure.
            threshold: lowest score that is called positive.
        """
        self._threshold = threshold
        self._band = [manifest.thresholds.get(mode) for mode in (HIGH_RECALL, LOW_FALSE_POSITIVE)]
        # Where many scores are the same, quantiles are, too: there are fewer bins then.
        quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
        self._edges = np.unique(np.quantile(scores.all, quantiles, method="higher"))
        self._validation = _Counts(len(self._edges) + 1)
        self._now = _Counts(len(self._edges) + 1)
        self._count(scores.all, self._validation)

    @classmethod
    def of(cls, classifier: "SpamClassifier") -> Self:
        """Compare with the validation scores of a classifier's bundle, at its threshold.

        Raises:
            BundleIntegrityError: they are missing or damaged.
        """
        scores = ValidationScores.read(classifier.bundle, verify=classifier.options.verify)
        return cls(scores, classifier.manifest, threshold=classifier.threshold)

    def add(self, scores: ArrayLike) -> None:
        """Count scores of new messages, shape (messages,)."""
        self._count(np.asarray(scores, dtype=np.float64), self._now)

    def report(self) -> DriftReport:
        """Return what the scores that were counted so far say."""
        expected, counted = self._validation.bins, self._now.bins
        psi, chance = float(stability_index(expected, counted)), _by_chance(expected, int(counted.sum()))
        enough = min(expected.sum(), counted.sum()) >= PER_BIN * len(expected)
        return DriftReport(
            psi=psi,
            chance=chance,
            verdict=_verdict(psi, chance) if enough else TOO_FEW,
            threshold=self._threshold,
            validation=self._shares(self._validation),
            now=self._shares(self._now),
            bins=tuple(self._edges.tolist()),
            expected=tuple(expected.tolist()),
            counted=tuple(counted.tolist()),
        )

    def _count(self, scores: NDArray[np.float64], counts: "_Counts") -> None:
        counts.bins += np.bincount(np.searchsorted(self._edges, scores), minlength=len(counts.bins))
        counts.spam += int((scores >= self._threshold).sum())
        low, high = self._band
        if low is not None and high is not None:
            counts.unsure += int(((scores >= low) & (scores < high)).sum())

    def _shares(self, counts: "_Counts") -> Shares:
        n = int(counts.bins.sum())
        unsure = None if None in self._band else counts.unsure / max(n, 1)
        return Shares(n=n, spam=counts.spam / max(n, 1), unsure=unsure)


class _Counts:
    def __init__(self, bins: int) -> None:
        self.bins: NDArray[np.int64] = np.zeros(bins, dtype=np.int64)
        self.spam = 0
        self.unsure = 0


def stability_index(expected: NDArray[np.int64], counted: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the population stability index, the sum of (q - p) ln(q / p) over the shares p and q of each bin.

    Half a message is added to each bin of both; see ``SMOOTHING``.

    Args:
        expected: messages by bin, shape (..., bins).
        counted: other messages by bin, of the same shape.
    """
    before, now = (
        (counts + SMOOTHING) / (counts.sum(axis=-1, keepdims=True) + SMOOTHING * counts.shape[-1])
        for counts in (expected, counted)
    )
    index: NDArray[np.float64] = ((now - before) * np.log(now / before)).sum(axis=-1)
    return index


def _by_chance(expected: NDArray[np.int64], n: int) -> float:
    """Return the index that pairs of samples of one distribution rarely exceed, by drawing such pairs.

    The validation split is a sample itself, so both are drawn.
    """
    dice, size = np.random.default_rng(0), int(expected.sum())
    shares = expected / size
    pairs = (dice.multinomial(count, shares, _RESAMPLES) for count in (size, n))
    return float(np.quantile(stability_index(*pairs), _LEVEL))


def _verdict(psi: float, chance: float) -> str:
    if psi > chance:
        return DRIFTED if psi >= RETRAIN else WATCHED if psi >= WATCH else STABLE
    # It may be chance. That it is not more is worth something only where so much would have been seen.
    return STABLE if psi < WATCH and chance < RETRAIN else TOO_FEW
