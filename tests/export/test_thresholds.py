"""Temperature and balanced threshold on cases with a known answer."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from export.thresholds import BALANCED_BETWEEN, FALSE_POSITIVE_COST, balanced_threshold, fit_temperature
from spam_edge.decision.calibration import Calibration


def _logits(margins: np.ndarray) -> np.ndarray:
    return np.stack([np.zeros_like(margins), margins], axis=1).astype(np.float32)


def test_temperature_undoes_overconfidence() -> None:
    random = np.random.default_rng(0)
    true_margins = random.normal(scale=2.0, size=20_000)
    labels = (random.random(20_000) < 1 / (1 + np.exp(-true_margins))).astype(np.int64)
    assert fit_temperature(_logits(3 * true_margins), labels) == pytest.approx(3, rel=0.05)


def test_temperature_of_separable_scores_stays_at_one() -> None:
    labels = np.array([0, 0, 1, 1])
    assert fit_temperature(_logits(np.array([-2.0, -1.0, 1.0, 2.0])), labels) == pytest.approx(1, abs=1e-3)


@given(
    st.lists(st.tuples(st.floats(-8, 8), st.booleans()), min_size=4, max_size=60).filter(
        lambda rows: len({spam for _, spam in rows}) == 2 and len({round(margin, 3) for margin, _ in rows}) > 3
    )
)
@example([(-1.0, True), (-1.0, True), (0.0, False), (1.0, False), (2.0, False)])  # best threshold below every score
def test_threshold_cost_is_within_one_missed_spam_of_optimum(rows: list[tuple[float, bool]]) -> None:
    margins = np.round(np.array([margin for margin, _ in rows]), 3)
    labels = np.array([spam for _, spam in rows], dtype=np.int64)
    scores = Calibration(temperature=2.0).scores(_logits(margins))
    threshold = balanced_threshold(_logits(margins), labels, temperature=2.0)
    low, high = BALANCED_BETWEEN
    assert low - 1e-6 <= threshold <= high + 1e-6

    def cost(threshold: float) -> int:
        called = scores >= threshold
        return int(FALSE_POSITIVE_COST * (called & (labels == 0)).sum() + (~called & (labels == 1)).sum())

    lowest = min(cost(candidate) for candidate in np.linspace(low, high, 201)[1:-1])
    assert cost(threshold) <= lowest + 1


def test_threshold_of_calibrated_scores_is_bayes_optimal() -> None:
    """Above the threshold a score p costs 4 (1 - p), below it p; these are equal at 0.8."""
    random = np.random.default_rng(0)
    scores = random.beta(0.4, 0.4, 50_000)
    labels = (random.random(len(scores)) < scores).astype(np.int64)
    threshold = balanced_threshold(_logits(np.log(scores / (1 - scores))), labels, temperature=1.0)
    assert threshold == pytest.approx(0.8, abs=0.03)


def test_threshold_is_centred_in_widest_score_gap() -> None:
    margins = np.array([-3.0, -0.1, 0.1, 0.7, 0.8, 3.0])
    threshold = balanced_threshold(_logits(margins), np.array([0, 0, 0, 1, 1, 1]), temperature=1.0)
    assert threshold == pytest.approx(1 / (1 + np.exp(-0.4)))


def test_threshold_is_centred_without_nearby_scores() -> None:
    margins = np.array([-3.0, -2.0, 2.0, 3.0])
    threshold = balanced_threshold(_logits(margins), np.array([0, 0, 1, 1]), temperature=1.0)
    assert threshold == pytest.approx(0.5)
