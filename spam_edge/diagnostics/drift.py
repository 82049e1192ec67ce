"""Score drift against the validation split: the population stability index (PSI)."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spam_edge.bundle.manifest import Manifest
from spam_edge.bundle.validation import ValidationScores
from spam_edge.decision.operating_points import HIGH_RECALL, LOW_FALSE_POSITIVE

if TYPE_CHECKING:
    from spam_edge.classifier import SpamClassifier

BINS = 10
SMOOTHING = 0.5
"""Pseudo-count added to each bin of both samples; it keeps the index finite for empty bins."""
WATCH, RETRAIN = 0.1, 0.25
"""PSI limits: stable below the first, drifted from the second."""
PER_BIN = 5
"""Minimum mean number of messages per bin for a verdict."""
STABLE, WATCHED, DRIFTED, TOO_FEW = "stable", "watch", "label a sample and retrain", "too few to say"
_RESAMPLES = 2000
_LEVEL = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Label shares of a sample of messages.

    Attributes:
        n: number of messages.
        spam: share with the positive label, 0 to 1; 0 if ``n`` is 0.
        unsure: share from the ``high-recall`` up to the ``low-false-positive`` threshold; None if the bundle lacks
            either mode.
    """

    n: int
    spam: float
    unsure: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """Comparison of new messages with the validation split.

    Attributes:
        psi: population stability index of the scores, over quantile bins of the validation scores.
        chance: 99 % quantile of the index for two samples of these sizes from one distribution.
        verdict: ``stable``, ``watch``, ``label a sample and retrain`` or ``too few to say``.
        threshold: lowest score with the positive label.
        validation: label shares of the validation split.
        now: label shares of the new messages.
        bins: upper bin edges except the last, ascending.
        expected: validation messages per bin.
        counted: new messages per bin.
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
        """Whether the verdict is ``label a sample and retrain``."""
        return self.verdict == DRIFTED

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-compatible data."""
        return asdict(self)


class DriftMonitor:
    """Accumulates score counts per bin in constant memory."""

    def __init__(self, scores: ValidationScores, manifest: Manifest, *, threshold: float) -> None:
        """Split the validation scores into quantile bins.

        Args:
            scores: reference scores.
            manifest: source of the ``high-recall`` and ``low-false-positive`` thresholds.
            threshold: lowest score with the positive label.
        """
        self._threshold = threshold
        self._band = [manifest.thresholds.get(mode) for mode in (HIGH_RECALL, LOW_FALSE_POSITIVE)]
        # Ties can make quantiles equal, which leaves fewer bins.
        quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
        self._edges = np.unique(np.quantile(scores.all, quantiles, method="higher"))
        self._validation = _Counts(len(self._edges) + 1)
        self._now = _Counts(len(self._edges) + 1)
        self._count(scores.all, self._validation)

    @classmethod
    def of(cls, classifier: "SpamClassifier") -> Self:
        """Create a monitor from the validation scores and the threshold of a classifier.

        Raises:
            BundleIntegrityError: the validation scores are missing or damaged.
        """
        scores = ValidationScores.read(classifier.bundle, verify=classifier.options.verify)
        return cls(scores, classifier.manifest, threshold=classifier.threshold)

    def add(self, scores: ArrayLike) -> None:
        """Count scores of new messages, shape (messages,)."""
        self._count(np.asarray(scores, dtype=np.float64), self._now)

    def report(self) -> DriftReport:
        """Return the report on all scores added so far."""
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
    """Return the population stability index, the sum of (q - p) ln(q / p) over the bin shares p and q.

    Half a message is added to each bin of both samples; see ``SMOOTHING``.

    Args:
        expected: reference messages per bin, shape (..., bins).
        counted: new messages per bin, same shape.

    Returns:
        The index, shape (...).
    """
    before, now = (
        (counts + SMOOTHING) / (counts.sum(axis=-1, keepdims=True) + SMOOTHING * counts.shape[-1])
        for counts in (expected, counted)
    )
    index: NDArray[np.float64] = ((now - before) * np.log(now / before)).sum(axis=-1)
    return index


def _by_chance(expected: NDArray[np.int64], n: int) -> float:
    """Return the 99 % quantile of the index without drift, by bootstrap.

    The validation split is itself a sample, so both samples are drawn.
    """
    rng, size = np.random.default_rng(0), int(expected.sum())
    shares = expected / size
    pairs = (rng.multinomial(count, shares, _RESAMPLES) for count in (size, n))
    return float(np.quantile(stability_index(*pairs), _LEVEL))


def _verdict(psi: float, chance: float) -> str:
    if psi > chance:
        return DRIFTED if psi >= RETRAIN else WATCHED if psi >= WATCH else STABLE
    # Within chance. "Stable" also needs the power to detect drift: chance alone must stay below RETRAIN.
    return STABLE if psi < WATCH and chance < RETRAIN else TOO_FEW
