"""Test measures and intervals against scipy, scikit-learn and hand-computed values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from tests.evaluation.statistics import Measured, Scored, calibration, exact_rate, measures, resampled


def scored(scores: list[float], is_spam: list[bool], clusters: list[int] | None = None) -> Scored:
    values = np.array(scores)
    return Scored(values, values >= 0.5, np.array(is_spam), np.array(clusters or range(len(scores))))


@given(st.integers(1, 400), st.data())
def test_rates_have_clopper_pearson_intervals(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    rate, expected = exact_rate(hits, n), binomtest(hits, n).proportion_ci(method="exact")
    assert rate is not None
    assert (rate.low, rate.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_zero_trials_have_no_rate() -> None:
    assert exact_rate(0, 0) is None


def test_measures_match_hand_computed_values() -> None:
    actual = measures(scored([0.9, 0.8, 0.4, 0.6, 0.1, 0.2], [True, True, True, False, False, False]))
    assert actual["precision"] == pytest.approx(2 / 3)
    assert actual["recall"] == pytest.approx(2 / 3)
    assert actual["accuracy"] == pytest.approx(4 / 6)
    assert actual["recall_at_fpr_0.1pct"] == pytest.approx(2 / 3)  # with three ham no false positive is allowed
    # 1 % spam: 0.01 * 2/3 true positives and 0.99 * 1/3 false positives
    assert actual["precision_at_1pct_prevalence"] == pytest.approx(0.01 * 2 / 3 / (0.01 * 2 / 3 + 0.99 / 3))


def test_cluster_has_one_vote_per_label() -> None:
    votes = scored([0.9, 0.1, 0.8, 0.2, 0.3, 0.4], [True, True, True, False, False, False], [7, 7, 8, 9, 7, 7]).votes
    assert sorted(votes.scores.tolist()) == [0.2, 0.3, 0.8, 0.9]


@settings(max_examples=20)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=30))
def test_bootstrap_resamples_whole_clusters(clusters: list[int]) -> None:
    rows = scored([0.5] * len(clusters), [True] * len(clusters), clusters)
    for drawn in resampled(rows, 3):
        counts = np.bincount(drawn, minlength=len(clusters))
        for cluster in set(clusters):
            members = [index for index, each in enumerate(clusters) if each == cluster]
            assert len(set(counts[members].tolist())) == 1


def test_intervals_contain_value_and_shrink_with_sample_size() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for n in (200, 2000):
        is_spam = rng.random(n) < 0.3
        values = np.clip(is_spam * 0.3 + rng.random(n) * 0.7, 0, 1)
        recall = Measured.of(scored(values.tolist(), is_spam.tolist()), resamples=100).with_intervals()["recall"]
        assert recall["low"] <= recall["value"] <= recall["high"]
        widths.append(recall["high"] - recall["low"])
    assert widths[1] < widths[0] / 2


def test_paired_difference_of_system_with_itself_is_zero() -> None:
    rows = scored([0.9, 0.7, 0.2, 0.1] * 20, [True, False, True, False] * 20)
    measured = Measured.of(rows, resamples=20)
    assert all(rate["low"] == rate["high"] == 0 for rate in measured.minus(measured).values())


def test_calibration_error_separates_calibrated_from_overconfident_scores() -> None:
    rng = np.random.default_rng(1)
    calibrated = rng.random(6000)
    is_spam = rng.random(6000) < calibrated
    assert calibration(calibrated, is_spam, resamples=5)["ece"]["value"] < 0.02
    overconfident = np.where(calibrated > 0.5, 0.99, 0.01)
    actual = calibration(overconfident, is_spam, resamples=5)
    assert actual["ece"]["value"] == pytest.approx(0.24, abs=0.02)
    assert sum(each["n"] for each in actual["bins"]) == 6000
