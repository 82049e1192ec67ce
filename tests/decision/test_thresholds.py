"""Thresholds: false-positive rates on validation scores and on new scores of the same distribution."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from spam_edge import OperatingPointError
from spam_edge.bundle.validation import ValidationScores
from spam_edge.decision.intervals import highest_rate, hits_allowed, tries_needed
from spam_edge.decision.thresholds import (
    FalsePositives,
    errors_allowed,
    tail_threshold,
    threshold_above_ham,
    threshold_at_rate,
    threshold_below_spam,
    threshold_for_rate,
)

_SCORES = st.lists(st.floats(0, 1, width=32, exclude_max=True), min_size=1, max_size=40)
_RATES = st.floats(0, 1) | st.floats(1e-5, 0.1)


def _validation(ham: list[float], spam: list[float]) -> ValidationScores:
    return ValidationScores(variant="int8", ham=np.sort(np.array(ham)), spam=np.sort(np.array(spam)))


def _logit(score: float) -> float:
    return math.log(score / (1 - score))


@given(_SCORES, _SCORES, st.integers(0, 45))
def test_threshold_above_ham_limits_false_positives(ham: list[float], spam: list[float], allowed: int) -> None:
    scores = _validation(ham, spam)
    threshold = threshold_above_ham(scores, allowed=allowed)
    assert 0 <= threshold <= 1
    assert (scores.ham >= threshold).sum() <= allowed
    # the threshold excludes no message above the highest ham that must stay below it
    if allowed < len(ham):
        assert not ((scores.all > scores.ham[-1 - allowed]) & (scores.all < threshold)).any()


@given(_SCORES, _SCORES, st.integers(0, 45))
def test_threshold_below_spam_limits_false_negatives(ham: list[float], spam: list[float], allowed: int) -> None:
    scores = _validation(ham, spam)
    threshold = threshold_below_spam(scores, allowed=allowed)
    assert (scores.spam < threshold).sum() <= allowed
    if allowed < len(spam):
        assert not ((scores.all >= threshold) & (scores.all < scores.spam[allowed])).any()


def test_threshold_is_midpoint_of_neighbouring_scores_in_logits() -> None:
    scores = _validation([0.01, 0.2, 0.6], [0.3, 0.9, 0.99])
    above, below = threshold_above_ham(scores, allowed=0), threshold_below_spam(scores, allowed=0)
    assert _logit(above) == pytest.approx((_logit(0.6) + _logit(0.9)) / 2)
    assert _logit(below) == pytest.approx((_logit(0.2) + _logit(0.3)) / 2)
    assert _logit(threshold_above_ham(scores, allowed=1)) == pytest.approx((_logit(0.2) + _logit(0.3)) / 2)
    assert _logit(threshold_below_spam(scores, allowed=1)) == pytest.approx((_logit(0.6) + _logit(0.9)) / 2)


def test_threshold_beyond_extreme_score_has_half_logit_margin() -> None:
    scores = _validation([0.2, 0.8], [0.1, 0.3])
    assert _logit(threshold_above_ham(scores, allowed=0)) == pytest.approx(_logit(0.8) + 0.5)
    assert _logit(threshold_below_spam(scores, allowed=0)) == pytest.approx(_logit(0.1) - 0.5)


def test_errors_allowed_is_exact_despite_float_rounding() -> None:
    assert [errors_allowed(rate, 100) for rate in (0.29, 0.0, 1.0, 0.009)] == [29, 0, 100, 0]


@given(_SCORES, _SCORES, _RATES)
def test_threshold_at_rate_proves_rate_or_refuses(ham: list[float], spam: list[float], rate: float) -> None:
    scores = _validation(ham, spam)
    if highest_rate(0, len(ham)) > rate * (1 + 1e-9):
        with pytest.raises(OperatingPointError, match=f"{len(ham)} validation ham cannot show"):
            threshold_at_rate(scores, rate)
    elif highest_rate(0, len(ham)) < rate * (1 - 1e-9):
        threshold, false_positives = threshold_at_rate(scores, rate)
        assert false_positives.count == sum(score >= threshold for score in ham)
        assert false_positives.highest_rate <= rate * (1 + 1e-9)
        assert false_positives.show(rate)


def _normal_scores(n: int, seed: int) -> ValidationScores:
    rng = np.random.default_rng(seed)
    ham, spam = rng.normal(-5, 2, n), rng.normal(4, 2, n // 2 + 1)
    return _validation((1 / (1 + np.exp(-ham))).tolist(), (1 / (1 + np.exp(-spam))).tolist())


@given(st.integers(1, 900), st.integers(0, 99), _RATES, _RATES)
def test_stricter_rate_never_lowers_threshold(n: int, seed: int, first_rate: float, second_rate: float) -> None:
    scores = _normal_scores(n, seed)
    strict, lax = (threshold_at_rate(scores, rate, unproven=True)[0] for rate in sorted((first_rate, second_rate)))
    assert strict >= lax


def test_unprovable_rate_error_states_required_ham_and_alternatives() -> None:
    scores = _normal_scores(700, 0)
    with pytest.raises(
        OperatingPointError,
        match=r"^700 validation ham cannot show a false-positive rate of at most 0\.002: 1,497 are needed; set "
        r"0\.00428 or more, validate with more ham, or accept an estimate with --max-fpr-unproven "
        r"\(max_fpr_unproven\)$",
    ):
        threshold_at_rate(scores, 0.002)
    with pytest.raises(OperatingPointError, match="at most 0: no number is enough"):
        threshold_at_rate(scores, 0.0)
    estimate, false_positives = threshold_at_rate(scores, 0.002, unproven=True)
    assert (false_positives.count, false_positives.show(0.002), false_positives.show(0.00428)) == (0, False, True)
    assert estimate == max(threshold_above_ham(scores, allowed=0), tail_threshold(scores.ham, 0.002))
    assert threshold_at_rate(scores, 0.0, unproven=True)[0] == 1.0


@given(st.integers(1, 5000))
def test_rate_suggested_by_refusal_is_accepted(n: int) -> None:
    scores = _validation([0.25] * n, [0.9])
    with pytest.raises(OperatingPointError, match="; set ") as refusal:
        threshold_at_rate(scores, 1e-6)
    suggested = float(str(refusal.value).split("; set ")[1].split()[0])
    assert threshold_at_rate(scores, suggested)[1].count == 0
    assert hits_allowed(suggested * 0.98, n) is None


def test_ham_with_score_one_is_reported_when_rate_fails() -> None:
    scores = _validation([0.1, *[0.5] * 57, 1.0], [0.9])
    for options in ({"rate": 0.05}, {"rate": 0.01, "unproven": True}):
        with pytest.raises(OperatingPointError, match="1 of 59 validation ham have the score 1"):
            threshold_at_rate(scores, **options)
    assert threshold_at_rate(scores, 0.1)[1].count == 1


Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
Above = Callable[[float], float]


def _mixture(*parts: tuple[float, stats.rv_continuous]) -> tuple[Draw, Above]:
    """Return a sampler of logits from a mixture and its survival function."""
    shares = [share for share, _ in parts]

    def draw(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        counts = rng.multinomial(n, shares)
        return np.concatenate([part.rvs(k, random_state=rng) for k, (_, part) in zip(counts, parts, strict=True)])

    return draw, lambda logit: float(sum(share * part.sf(logit) for share, part in parts))


TAILS = {
    "light": _mixture((1.0, stats.norm(-5, 1.5))),
    "exponential": _mixture((1.0, stats.logistic(-5, 1))),
    "heavy": _mixture((1.0, stats.t(3, -6, 1))),
    "skewed": _mixture((1.0, stats.lognorm(0.8, -7, 1))),
    "a few odd messages": _mixture((0.97, stats.norm(-6, 0.7)), (0.03, stats.norm(-1, 2.5))),
    "three wrong labels in a thousand": _mixture((0.997, stats.logistic(-5, 0.8)), (0.003, stats.norm(5, 1))),
}


def _rates(tail: str, n: int, rate: float, *, splits: int, spam: int = 300) -> NDArray[np.float64]:
    """Return the true false-positive rates of the thresholds chosen on several validation splits, shape (splits,)."""
    draw, above = TAILS[tail]
    rng, rates = np.random.default_rng(n), []
    for _ in range(splits):
        ham = np.sort(1 / (1 + np.exp(-draw(rng, n))))
        scores = ValidationScores(variant="int8", ham=ham, spam=np.sort(1 / (1 + np.exp(-rng.normal(4, 3, spam)))))
        threshold = threshold_for_rate(scores, rate)
        rates.append(above(_logit(threshold)) if threshold < 1 else 0.0)
    return np.array(rates)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("n", [400, 700])
def test_estimated_rate_is_nearly_kept_on_new_ham(tail: str, n: int) -> None:
    """For any tail, the rate above the highest of n scores is 1 / (n + 1) on average and at most 3 / n in 19 of 20."""
    rates = _rates(tail, n, 0.001, splits=300)
    assert rates.mean() <= 1.1 / (n + 1)
    assert (rates <= 3 / n).mean() >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 300)
    if tail in ("light", "exponential"):
        assert rates.mean() <= 0.0013


def test_tail_threshold_meets_target_rate_for_exponential_tail() -> None:
    _, above = TAILS["exponential"]
    draw, _ = TAILS["exponential"]
    rng = np.random.default_rng(1)
    rates = [above(_logit(tail_threshold(np.sort(1 / (1 + np.exp(-draw(rng, 700)))), 0.001))) for _ in range(300)]
    assert np.median(rates) == pytest.approx(0.001, rel=0.25)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("rate", [0.005, 0.01])
def test_proven_rate_is_kept_in_95_percent_of_splits(tail: str, rate: float) -> None:
    assert hits_allowed(rate, 700) is not None
    kept = (_rates(tail, 700, rate, splits=400) <= rate).mean()
    assert kept >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 400)
    assert kept < 1 or rate == 0.005  # not stricter than necessary


def test_sufficient_ham_proves_rate_without_tail_estimate() -> None:
    n = tries_needed(0.001)
    scores = _normal_scores(n, 3)
    assert threshold_for_rate(scores, 0.001) == threshold_above_ham(scores, allowed=0)
    assert FalsePositives.at(threshold_for_rate(scores, 0.001), scores.ham).show(0.001)
    fewer = ValidationScores(variant="int8", ham=scores.ham[1:], spam=scores.spam)
    assert not FalsePositives(0, len(fewer.ham)).show(0.001)


def test_tail_estimate_requires_two_hundred_ham() -> None:
    assert tail_threshold(_normal_scores(150, 0).ham, 0.001) == 0.0
    assert tail_threshold(_normal_scores(200, 0).ham, 0.001) > 0.0


def test_tail_threshold_handles_scores_of_zero_and_one() -> None:
    ham = np.array([0.0] * 250 + [1.0] * 10)
    assert 0 <= tail_threshold(ham, 0.001) <= 1
    assert tail_threshold(np.full(300, 0.25), 0.001) == pytest.approx(0.25)
