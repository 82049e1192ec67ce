"""Logits to calibrated scores: the one place where they meet the temperature."""

import numpy as np
from numpy.typing import NDArray


def probabilities(logits: NDArray[np.float32], *, temperature: float, positive_index: int) -> NDArray[np.float32]:
    """Turn two logits per row into the calibrated probability of one of them.

    The softmax of two logits is the logistic function of their difference; dividing by a temperature is the
    calibration of Guo et al. 2017, "On Calibration of Modern Neural Networks".

    Args:
        logits: shape (rows, 2).
        temperature: above 0; 1 leaves the probabilities as they are.
        positive_index: column of the class whose probability is wanted.

    Returns:
        Shape (rows,), 0 to 1.
    """
    margin = (logits[:, positive_index] - logits[:, 1 - positive_index]).astype(np.float64) / temperature
    # 64 bits keep small probabilities apart; tanh does not overflow where exp does
    scores: NDArray[np.float32] = (0.5 * (1 + np.tanh(0.5 * margin))).astype(np.float32)
    return scores


def margin_at(score: float, *, temperature: float) -> float:
    """Return the difference of the two logits that gives a score; infinite for 0 and 1."""
    with np.errstate(divide="ignore"):
        return float(temperature * (np.log(score) - np.log1p(-score)))
