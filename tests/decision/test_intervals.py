"""Clopper-Pearson intervals, compared with the quantiles of the beta distribution."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from spam_edge.decision.intervals import clopper_pearson, counted, highest_rate, hits_allowed, tries_needed


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_clopper_pearson_bounds_are_beta_quantiles(hits: tuple[int, int], confidence: float) -> None:
    count, n = hits
    tail = (1 - confidence) / 2
    low, high = clopper_pearson(count, n, confidence=confidence)
    assert low == pytest.approx(beta.ppf(tail, count, n - count + 1) if count else 0, rel=1e-8, abs=1e-12)
    assert high == pytest.approx(beta.ppf(1 - tail, count + 1, n - count) if count < n else 1, rel=1e-8)
    assert 0 <= low <= count / n <= high <= 1


def test_clopper_pearson_matches_known_intervals() -> None:
    assert clopper_pearson(0, 900)[1] == pytest.approx(0.0041, abs=1e-4)
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert clopper_pearson(5, 5) == (pytest.approx(0.025 ** (1 / 5)), 1.0)


def test_counted_rate_has_value_interval_and_counts() -> None:
    low, high = clopper_pearson(2, 60)
    assert counted(2, 60) == {"value": 2 / 60, "low": low, "high": high, "count": 2, "n": 60}
    assert counted(0, 0) == {"value": None, "low": 0.0, "high": 1.0, "count": 0, "n": 0}


@pytest.mark.parametrize(("count", "n", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 0.0), (1, 5, 1.0)])
def test_invalid_counts_or_confidence_are_refused(count: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        clopper_pearson(count, n, confidence=confidence)


@given(st.integers(0, 3000), st.floats(1e-4, 0.999))
def test_hits_allowed_is_largest_count_that_proves_rate(n: int, rate: float) -> None:
    allowed = hits_allowed(rate, n)
    if allowed is not None:
        assert highest_rate(allowed, n) <= rate * (1 + 1e-9)
    beyond = 0 if allowed is None else allowed + 1
    assert highest_rate(beyond, n) > rate * (1 - 1e-9)


@given(st.floats(1e-4, 0.999))
def test_tries_needed_is_smallest_sample_that_proves_rate(rate: float) -> None:
    needed = tries_needed(rate)
    assert needed is not None
    assert hits_allowed(rate * (1 + 1e-9), needed) is not None
    assert hits_allowed(rate * (1 - 1e-9), needed - 1) is None


def test_rate_bounds_match_rule_of_three_examples() -> None:
    assert highest_rate(0, 1000) == pytest.approx(0.003, rel=0.01)
    assert [tries_needed(rate) for rate in (0.01, 0.002, 0.001, 1.0, 0.0)] == [299, 1497, 2995, 0, None]
    assert [hits_allowed(rate, 30) for rate in (0.0, 0.05, 0.1, 0.2, 1.0)] == [None, None, 0, 2, 30]
    assert highest_rate(0, 0) == 1.0
