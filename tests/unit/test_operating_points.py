"""Thresholds: what they let through on the scores they were chosen on, and how options reach them."""

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge import BundleIntegrityError, OperatingPointError, RuntimeOptions, SpamClassifier
from spam_edge.bundle import Bundle
from spam_edge.intervals import clopper_pearson
from spam_edge.operating_points import (
    BALANCED,
    HIGH_RECALL,
    LOW_FALSE_POSITIVE,
    UNSURE,
    errors_allowed,
    threshold_above_ham,
    threshold_at_rate,
    threshold_below_spam,
)
from spam_edge.validation import VALIDATION_NAME, ValidationScores
from spam_edge.verification import Golden

_SCORES = st.lists(st.floats(0, 1, width=32, exclude_max=True), min_size=1, max_size=40)


def _validation(ham: list[float], spam: list[float]) -> ValidationScores:
    return ValidationScores(variant="int8", ham=np.sort(np.array(ham)), spam=np.sort(np.array(spam)))


def _logit(score: float) -> float:
    return math.log(score / (1 - score))


def _load(bundle: Path, **options: Any) -> SpamClassifier:
    return SpamClassifier.load(bundle, RuntimeOptions(device="cpu", **options))


@given(_SCORES, _SCORES, st.integers(0, 45))
def test_no_more_ham_than_allowed_reaches_the_threshold(ham: list[float], spam: list[float], allowed: int) -> None:
    scores = _validation(ham, spam)
    threshold = threshold_above_ham(scores, allowed=allowed)
    assert 0 <= threshold <= 1
    assert (scores.ham >= threshold).sum() <= allowed
    # nor is a message given up that lies above the ham which has to stay below
    if allowed < len(ham):
        assert not ((scores.all > scores.ham[-1 - allowed]) & (scores.all < threshold)).any()


@given(_SCORES, _SCORES, st.integers(0, 45))
def test_no_more_spam_than_allowed_is_missed(ham: list[float], spam: list[float], allowed: int) -> None:
    scores = _validation(ham, spam)
    threshold = threshold_below_spam(scores, allowed=allowed)
    assert (scores.spam < threshold).sum() <= allowed
    if allowed < len(spam):
        assert not ((scores.all >= threshold) & (scores.all < scores.spam[allowed])).any()


@given(_SCORES, _SCORES, st.floats(0, 1))
def test_a_rate_is_kept_to(ham: list[float], spam: list[float], rate: float) -> None:
    threshold, alarms = threshold_at_rate(_validation(ham, spam), rate)
    assert alarms.count == sum(score >= threshold for score in ham)
    assert alarms.count <= rate * alarms.n + 1e-9
    assert alarms.highest_rate == clopper_pearson(alarms.count, len(ham))[1]


def test_a_threshold_stands_in_the_middle_on_the_logit_scale() -> None:
    scores = _validation([0.01, 0.2, 0.6], [0.3, 0.9, 0.99])
    above, below = threshold_above_ham(scores, allowed=0), threshold_below_spam(scores, allowed=0)
    assert _logit(above) == pytest.approx((_logit(0.6) + _logit(0.9)) / 2)
    assert _logit(below) == pytest.approx((_logit(0.2) + _logit(0.3)) / 2)
    assert _logit(threshold_above_ham(scores, allowed=1)) == pytest.approx((_logit(0.2) + _logit(0.3)) / 2)
    assert _logit(threshold_below_spam(scores, allowed=1)) == pytest.approx((_logit(0.6) + _logit(0.9)) / 2)


def test_where_nothing_lies_beyond_there_is_half_a_logit() -> None:
    scores = _validation([0.2, 0.8], [0.1, 0.3])
    assert _logit(threshold_above_ham(scores, allowed=0)) == pytest.approx(_logit(0.8) + 0.5)
    assert _logit(threshold_below_spam(scores, allowed=0)) == pytest.approx(_logit(0.1) - 0.5)


def test_a_ham_of_score_1_is_said_where_it_cannot_be_kept_out() -> None:
    scores = _validation([0.1, 1.0], [0.9])
    with pytest.raises(OperatingPointError, match="1 of 2 validation ham have the score 1"):
        threshold_at_rate(scores, 0.1)
    assert threshold_at_rate(scores, 0.5)[1].count == 1


def test_floats_do_not_lose_an_error() -> None:
    assert [errors_allowed(rate, 100) for rate in (0.29, 0.0, 1.0, 0.009)] == [29, 0, 100, 0]


def test_a_mode_sets_the_threshold(banded_bundle: Path) -> None:
    thresholds = Bundle.find(banded_bundle).manifest.thresholds
    assert _load(banded_bundle).operating_point.mode == BALANCED
    for mode, threshold in thresholds.items():
        classifier = _load(banded_bundle, mode=mode)
        assert (classifier.threshold, classifier.labels) == (threshold, ("HAM", "SPAM"))
        assert (classifier.describe()["mode"], classifier.describe()["threshold"]) == (mode, threshold)


def test_a_mode_that_is_not_there_is_named_with_those_that_are(tiny_bundle: Path) -> None:
    with pytest.raises(OperatingPointError, match="no mode 'strict'; it has low-false-positive, balanced, high-recall"):
        _load(tiny_bundle, mode="strict")


def test_a_rate_sets_the_threshold(tiny_bundle: Path) -> None:
    scores = ValidationScores.read(Bundle.find(tiny_bundle))
    classifier = _load(tiny_bundle, max_fpr=0.1)
    assert (classifier.threshold, classifier.operating_point.false_alarms) == threshold_at_rate(scores, 0.1)
    assert classifier.threshold < _load(tiny_bundle).threshold
    assert _load(tiny_bundle, max_fpr=1.0).threshold == 0
    assert classifier.describe()["mode"] is None


def test_the_middle_band_is_unsure(banded_bundle: Path) -> None:
    texts = Golden.read(Bundle.find(banded_bundle)).texts
    classifier = _load(banded_bundle, unsure=True)
    thresholds = classifier.manifest.thresholds
    assert (classifier.labels, classifier.threshold) == (("HAM", "SPAM", UNSURE), thresholds[LOW_FALSE_POSITIVE])
    found = classifier.classify_batch(texts)
    for prediction in found:
        if prediction.score >= thresholds[LOW_FALSE_POSITIVE]:
            assert prediction.label == "SPAM"
        else:
            assert prediction.label == (UNSURE if prediction.score >= thresholds[HIGH_RECALL] else "HAM")
    assert {prediction.label for prediction in found} == {"HAM", "SPAM", UNSURE}


def test_both_ends_of_the_band_are_decided_in_fp32(banded_bundle: Path, int8_variant: str) -> None:
    texts = Golden.read(Bundle.find(banded_bundle)).texts
    exact = _load(banded_bundle, unsure=True, exact=True, variant=int8_variant)
    expected = _load(banded_bundle, unsure=True, variant="fp32").classify_batch(texts)
    assert [p.label for p in exact.classify_batch(texts)] == [p.label for p in expected]


@pytest.mark.parametrize("options", [{"mode": HIGH_RECALL}, {"max_fpr": 0.1}, {"unsure": True}])
def test_options_travel_whole(banded_bundle: Path, options: dict[str, Any]) -> None:
    classifier = _load(banded_bundle, **options)
    copy = pickle.loads(pickle.dumps(classifier))
    assert copy.options == classifier.options
    assert copy.operating_point == classifier.operating_point


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 0.5, "mode": BALANCED}, "threshold and mode each set the threshold"),
        ({"mode": BALANCED, "max_fpr": 0.1}, "mode and max_fpr each set the threshold"),
        ({"threshold": 0.0, "max_fpr": 0.0}, "threshold and max_fpr each set the threshold"),
        ({"unsure": True, "threshold": 0.5}, "unsure takes two thresholds .* threshold sets another"),
        ({"unsure": True, "mode": BALANCED}, "mode sets another"),
        ({"unsure": True, "max_fpr": 0.1}, "max_fpr sets another"),
        ({"max_fpr": 1.5}, "max_fpr must be from 0 to 1"),
        ({"max_fpr": float("nan")}, "max_fpr must be from 0 to 1"),
    ],
)
def test_options_that_exclude_each_other(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RuntimeOptions(**options)


def _as_before(bundle: Path) -> None:
    """Take from a bundle what those of earlier versions did not have."""
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["thresholds"] = {BALANCED: manifest["thresholds"][BALANCED]}
    del manifest["files"][VALIDATION_NAME], manifest["metrics"]["modes"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    (bundle / VALIDATION_NAME).unlink()


def test_a_bundle_from_before_there_were_modes(bundle_copy: Path) -> None:
    _as_before(bundle_copy)
    assert list(_load(bundle_copy).describe()["modes"]) == [BALANCED]
    with pytest.raises(
        OperatingPointError, match=r"no mode 'high-recall'; it has balanced; .* export the bundle again"
    ):
        _load(bundle_copy, unsure=True)
    with pytest.raises(BundleIntegrityError, match=r"validation\.json is not listed"):
        _load(bundle_copy, max_fpr=0.1)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"variant": "int8", "ham": [], "spam": [0.5]}', '{"variant": "int8", "ham": [2], "spam": [0.5]}',
     '{"variant": "int8", "ham": [NaN], "spam": [0.5]}', '{"variant": "int8", "ham": [[0.1]], "spam": [0.5]}',
     '{"variant": "int8", "ham": ["a"], "spam": [0.5]}', '{"variant": "int8", "ham": 0.5, "spam": [0.5]}'],
)  # fmt: skip
def test_broken_validation_scores_are_named(bundle_copy: Path, content: str) -> None:
    (bundle_copy / VALIDATION_NAME).write_text(content, encoding="utf-8")
    with pytest.raises(BundleIntegrityError, match=r"validation\.json has .* bytes where"):
        _load(bundle_copy, max_fpr=0.1)
    with pytest.raises(BundleIntegrityError, match=r"validation\.json (cannot be read|must hold scores)"):
        _load(bundle_copy, max_fpr=0.1, verify=False)


@given(_SCORES, _SCORES)
def test_scores_come_back_to_the_bit(ham: list[float], spam: list[float]) -> None:
    written = json.loads(json.dumps(_validation(ham, spam).to_dict()))
    for name, scores in (("ham", ham), ("spam", spam)):
        assert [np.float32(score) for score in written[name]] == sorted(map(np.float32, scores))
