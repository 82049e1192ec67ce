"""Comparison of the logits of two runs by score and label."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.manifest import Manifest
from spam_edge.decision.calibration import Calibration


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences between two runs on the same messages.

    Attributes:
        differences: absolute difference of each score, shape (messages,).
        flips: messages with another label.
    """

    differences: NDArray[np.float32]
    flips: int

    @property
    def largest(self) -> float:
        """The largest score difference."""
        return float(self.differences.max())


@dataclass(frozen=True, slots=True)
class Decision:
    """How logits become labels."""

    calibration: Calibration
    threshold: float

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Return the decision of a bundle in its default mode."""
        return cls(Calibration.of(manifest), manifest.threshold)

    def compare(self, measured: NDArray[np.float32], reference: NDArray[np.float32]) -> Comparison:
        """Compare two arrays of logits, both of shape (messages, 2)."""
        scores, expected = self.calibration.scores(measured), self.calibration.scores(reference)
        flips = int(((scores >= self.threshold) != (expected >= self.threshold)).sum())
        return Comparison(np.abs(scores - expected), flips)
