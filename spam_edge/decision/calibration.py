"""Calibration by temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks")."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Calibration:
    """Converts logits into scores.

    The softmax of two logits is the logistic function of their margin, the positive logit minus the negative one. The
    temperature divides the margin.

    Attributes:
        temperature: above 0; 1 means no scaling.
        positive_index: column of the positive class.
    """

    temperature: float = 1.0
    positive_index: int = 1

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Return the calibration of a bundle."""
        return cls(manifest.temperature, manifest.positive_index)

    def margins(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the margins of logits of shape (rows, 2), shape (rows,)."""
        return logits[:, self.positive_index] - logits[:, 1 - self.positive_index]

    def scores(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the calibrated probability of the positive class for logits of shape (rows, 2), shape (rows,)."""
        return self.scores_of(self.margins(logits))

    def scores_of(self, margins: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores of margins, same shape."""
        # float64 keeps small probabilities distinct; tanh does not overflow where exp does
        scaled = margins.astype(np.float64) / self.temperature
        scores: NDArray[np.float32] = (0.5 * (1 + np.tanh(0.5 * scaled))).astype(np.float32)
        return scores

    def margin_of(self, score: float) -> float:
        """Return the margin of a score, the inverse of :meth:`scores_of`; infinite for 0 and 1."""
        with np.errstate(divide="ignore"):
            return float(self.temperature * (np.log(score) - np.log1p(-score)))
