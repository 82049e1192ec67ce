"""Operating points: how options select thresholds, and the validation scores behind them."""

import json
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge import BundleIntegrityError, OperatingPointError, RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import Manifest
from spam_edge.bundle.validation import VALIDATION_NAME, ValidationScores
from spam_edge.decision.operating_points import BALANCED, HIGH_RECALL, LOW_FALSE_POSITIVE, UNSURE
from spam_edge.decision.thresholds import FalsePositives, threshold_at_rate
from spam_edge.errors import OptionError


def _load(bundle: Path, **options: Any) -> SpamClassifier:
    return SpamClassifier.load(bundle, RuntimeOptions(device="cpu", **options))


def test_mode_option_selects_manifest_threshold(banded_bundle: Path) -> None:
    thresholds = Bundle.find(banded_bundle).manifest.thresholds
    assert _load(banded_bundle).operating_point.mode == BALANCED
    for mode, threshold in thresholds.items():
        classifier = _load(banded_bundle, mode=mode)
        assert (classifier.threshold, classifier.labels) == (threshold, ("HAM", "SPAM"))
        assert (classifier.describe()["mode"], classifier.describe()["threshold"]) == (mode, threshold)


def test_unknown_mode_error_lists_available_modes(tiny_bundle: Path) -> None:
    with pytest.raises(OperatingPointError, match="no mode 'strict', only low-false-positive, balanced, high-recall"):
        _load(tiny_bundle, mode="strict")


def test_max_fpr_selects_threshold_from_validation_scores(tiny_bundle: Path) -> None:
    scores = ValidationScores.read(Bundle.find(tiny_bundle))
    for rate, count in ((0.1, 0), (0.2, 2), (0.5, 10)):
        classifier = _load(tiny_bundle, max_fpr=rate)
        assert (classifier.threshold, classifier.operating_point.false_positives) == threshold_at_rate(scores, rate)
        assert classifier.operating_point.false_positives == FalsePositives(count, 30)
        assert classifier.describe()["mode"] is None
    assert _load(tiny_bundle, max_fpr=1.0).threshold == 0


def test_unprovable_max_fpr_requires_unproven_option(tiny_bundle: Path) -> None:
    with pytest.raises(
        OperatingPointError, match=r"30 validation ham cannot show .* 0\.01: 299 are needed; set 0\.0951 "
    ):
        _load(tiny_bundle, max_fpr=0.01)
    estimated = _load(tiny_bundle, max_fpr=0.01, max_fpr_unproven=True).operating_point
    assert estimated.false_positives == FalsePositives(0, 30)
    # the option has no effect if the validation ham prove the rate
    assert _load(tiny_bundle, max_fpr=0.1, max_fpr_unproven=True).threshold == _load(tiny_bundle, max_fpr=0.1).threshold


def test_estimated_threshold_is_above_all_ham_and_at_least_default(bundle_copy: Path) -> None:
    bundle = Bundle.find(bundle_copy)
    scores = ValidationScores.read(bundle)
    estimate, _ = threshold_at_rate(scores, 0.01, unproven=True)
    for default in (estimate / 2, (1 + estimate) / 2):
        data = bundle.manifest.to_dict() | {"thresholds": {BALANCED: default}}
        (bundle_copy / "manifest.json").write_text(json.dumps(data), encoding="utf-8")
        threshold = _load(bundle_copy, max_fpr=0.01, max_fpr_unproven=True).threshold
        assert threshold == max(default, estimate) > scores.ham[-1]


def test_modes_with_equal_thresholds_are_reported(tiny_bundle: Path, banded_bundle: Path) -> None:
    data = Bundle.find(tiny_bundle).manifest.to_dict()
    data["thresholds"] = {LOW_FALSE_POSITIVE: 0.9, BALANCED: 0.5, HIGH_RECALL: 0.5}
    manifest = Manifest.from_dict(data)
    assert [manifest.same_as(mode) for mode in manifest.thresholds] == [None, None, BALANCED]
    assert [mode["same_as"] for mode in _load(banded_bundle).describe()["modes"].values()] == [None, None, None]


def test_scores_between_outer_thresholds_are_labelled_unsure(banded_bundle: Path) -> None:
    texts = Golden.read(Bundle.find(banded_bundle)).texts
    classifier = _load(banded_bundle, unsure=True)
    thresholds = classifier.manifest.thresholds
    assert (classifier.labels, classifier.threshold) == (("HAM", "SPAM", UNSURE), thresholds[LOW_FALSE_POSITIVE])
    predictions = classifier.classify_batch(texts)
    for prediction in predictions:
        if prediction.score >= thresholds[LOW_FALSE_POSITIVE]:
            assert prediction.label == "SPAM"
        else:
            assert prediction.label == (UNSURE if prediction.score >= thresholds[HIGH_RECALL] else "HAM")
    assert {prediction.label for prediction in predictions} == {"HAM", "SPAM", UNSURE}


def test_exact_option_gives_fp32_labels_for_unsure_band(banded_bundle: Path, int8_variant: str) -> None:
    texts = Golden.read(Bundle.find(banded_bundle)).texts
    exact = _load(banded_bundle, unsure=True, exact=True, variant=int8_variant)
    expected = _load(banded_bundle, unsure=True, variant="fp32").classify_batch(texts)
    assert [p.label for p in exact.classify_batch(texts)] == [p.label for p in expected]


@pytest.mark.parametrize(
    "options", [{"mode": HIGH_RECALL}, {"max_fpr": 0.1}, {"max_fpr": 0.01, "max_fpr_unproven": True}, {"unsure": True}]
)
def test_pickled_classifier_keeps_options_and_operating_point(banded_bundle: Path, options: dict[str, Any]) -> None:
    classifier = _load(banded_bundle, **options)
    copy = pickle.loads(pickle.dumps(classifier))
    assert copy.options == classifier.options
    assert copy.operating_point == classifier.operating_point


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 0.5, "mode": BALANCED}, "threshold and mode are mutually exclusive: set one"),
        ({"mode": BALANCED, "max_fpr": 0.1}, "mode and max_fpr are mutually exclusive"),
        ({"threshold": 0.0, "max_fpr": 0.0}, "threshold and max_fpr are mutually exclusive"),
        ({"unsure": True, "threshold": 0.5}, "unsure and threshold are mutually exclusive: set one"),
        ({"unsure": True, "mode": BALANCED}, "unsure and mode are mutually exclusive"),
        ({"unsure": True, "max_fpr": 0.1}, "unsure and max_fpr are mutually exclusive"),
        ({"max_fpr_unproven": True}, "max_fpr_unproven requires max_fpr: set both"),
        ({"max_fpr": 1.5}, "max_fpr must be from 0 to 1"),
        ({"max_fpr": float("nan")}, "max_fpr must be from 0 to 1"),
    ],
)
def test_conflicting_or_invalid_operating_point_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        RuntimeOptions(**options)


def _remove_modes(bundle: Path) -> None:
    """Remove the modes and validation scores, which earlier versions did not write."""
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["thresholds"] = {BALANCED: manifest["thresholds"][BALANCED]}
    del manifest["files"][VALIDATION_NAME], manifest["metrics"]["modes"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    (bundle / VALIDATION_NAME).unlink()


def test_old_bundle_without_modes_offers_only_balanced(bundle_copy: Path) -> None:
    _remove_modes(bundle_copy)
    assert list(_load(bundle_copy).describe()["modes"]) == [BALANCED]
    with pytest.raises(OperatingPointError, match=r"no mode 'high-recall', only balanced; .* export the bundle again"):
        _load(bundle_copy, unsure=True)
    with pytest.raises(BundleIntegrityError, match=r"validation\.json is not listed"):
        _load(bundle_copy, max_fpr=0.1)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"variant": "int8", "ham": [], "spam": [0.5]}', '{"variant": "int8", "ham": [2], "spam": [0.5]}',
     '{"variant": "int8", "ham": [NaN], "spam": [0.5]}', '{"variant": "int8", "ham": [[0.1]], "spam": [0.5]}',
     '{"variant": "int8", "ham": [0.1, 0.2], "spam": [0.5], "ham_kinds": ["bank"]}',
     '{"variant": "int8", "ham": [1' + "0" * 400 + '], "spam": [0.5]}',
     '{"variant": "int8", "ham": [0.1], "spam": ' + "[" * 100_000 + "]" * 100_000 + "}",
     '{"variant": "int8", "ham": ["0.1"], "spam": [0.5]}', '{"variant": "int8", "ham": [true], "spam": [0.5]}',
     '{"variant": "int8", "ham": [0.1], "spam": [0.5], "ham_kinds": ["' + "a" * 1_000 + '"]}',
     '{"variant": "int8", "ham": ["a"], "spam": [0.5]}', '{"variant": "int8", "ham": 0.5, "spam": [0.5]}'],
)  # fmt: skip
def test_malformed_validation_scores_error_names_file(bundle_copy: Path, content: str) -> None:
    (bundle_copy / VALIDATION_NAME).write_text(content, encoding="utf-8")
    with pytest.raises(BundleIntegrityError, match=r"validation\.json has .* bytes, expected"):
        _load(bundle_copy, max_fpr=0.1)
    with pytest.raises(BundleIntegrityError, match=r"validation\.json cannot be read"):
        _load(bundle_copy, max_fpr=0.1, verify=False)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans(), st.sampled_from(["", "bank", "code"]))))
def test_validation_scores_and_kinds_round_trip_bit_identical(rows: list[tuple[float, bool, str]]) -> None:
    rows = [*rows, (0.25, False, "bank"), (0.75, True, "")]
    scores, spam, kinds = (list(column) for column in zip(*rows, strict=True))
    written = ValidationScores.of(
        np.array(scores, dtype=np.float32), np.array(spam, dtype=np.int64), kinds=kinds, variant="int8"
    )
    data = json.loads(json.dumps(written.to_dict()))
    for name, positive in (("ham", False), ("spam", True)):
        expected = sorted((score, kind or "collection") for score, is_spam, kind in rows if is_spam == positive)
        assert list(zip(map(np.float32, data[name]), data[f"{name}_kinds"], strict=True)) == expected
        votes = written.votes()[name]
        assert votes["n"] == len(expected)
        assert {kind: entry["n"] for kind, entry in votes["kinds"].items()} == Counter(kind for _, kind in expected)
        assert sum(entry["share"] for entry in votes["kinds"].values()) == pytest.approx(1)


def test_ham_kinds_are_sorted_along_with_scores(bundle_copy: Path) -> None:
    content = {"variant": "int8", "ham": [0.5, 0.25], "spam": [0.75], "ham_kinds": ["bank", "collection"]}
    (bundle_copy / VALIDATION_NAME).write_text(json.dumps(content), encoding="utf-8")
    read = ValidationScores.read(Bundle.find(bundle_copy), verify=False)
    assert (read.ham.tolist(), read.ham_kinds, read.spam_kinds) == ([0.25, 0.5], ("collection", "bank"), ())
    assert read.votes()["spam"] == {"n": 1, "kinds": {}}
