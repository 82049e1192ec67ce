"""Exact mode: messages within the error band of the threshold get the fp32 score, others that of the fast variant."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge import BundleIntegrityError, ProviderUnavailableError, RuntimeOptions, SpamClassifier
from spam_edge.decision.calibration import Calibration

TEXTS = ["WINNER!! Call 09061701461 to claim your prize", "see you at 5 then", "", "free lift to the pub", "ok"]


def _edit_variant(bundle: Path, variant: str, **changes: Any) -> None:
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["variants"][variant] |= changes
    path.write_text(json.dumps(manifest), encoding="utf-8")


def _load(bundle: Path, **options: Any) -> SpamClassifier:
    return SpamClassifier.load(bundle, RuntimeOptions(device="cpu", **options))


def test_negligible_error_band_rescores_no_message(bundle_copy: Path, int8_variant: str) -> None:
    _edit_variant(bundle_copy, int8_variant, error_band=1e-30)
    exact = _load(bundle_copy, variant=int8_variant, exact=True)
    assert np.array_equal(exact.score(TEXTS), _load(bundle_copy, variant=int8_variant).score(TEXTS))
    assert exact.rescored == 0


def test_huge_error_band_rescores_every_message(bundle_copy: Path, int8_variant: str) -> None:
    _edit_variant(bundle_copy, int8_variant, error_band=1e6)
    exact = _load(bundle_copy, variant=int8_variant, exact=True)
    assert np.allclose(exact.score(TEXTS), _load(bundle_copy, variant="fp32").score(TEXTS), atol=1e-6)
    assert exact.rescored == len(TEXTS)
    assert (exact.variant, exact.describe()["exact"]) == (int8_variant, True)


def test_only_messages_within_error_band_are_rescored(bundle_copy: Path, int8_variant: str) -> None:
    fast, reference = (_load(bundle_copy, variant=variant) for variant in (int8_variant, "fp32"))
    margins = fast.logits(TEXTS) @ np.array([-1, 1], dtype=np.float32)
    boundary = Calibration.of(fast.manifest).margin_of(fast.threshold)
    band = float(np.median(np.abs(margins - boundary)))
    _edit_variant(bundle_copy, int8_variant, error_band=band)
    exact = _load(bundle_copy, variant=int8_variant, exact=True)
    within_band = np.abs(margins - boundary) <= band
    assert 0 < within_band.sum() < len(TEXTS)
    expected = np.where(within_band[:, None], reference.logits(TEXTS), fast.logits(TEXTS))
    assert np.allclose(exact.logits(TEXTS), expected, atol=1e-5)
    assert exact.rescored == within_band.sum()


def test_exported_error_band_gives_fp32_labels_for_golden_messages(tiny_bundle: Path, int8_variant: str) -> None:
    exact, reference = _load(tiny_bundle, variant=int8_variant, exact=True), _load(tiny_bundle, variant="fp32")
    golden = [json.loads(line)["text"] for line in (tiny_bundle / "golden.jsonl").read_text("utf-8").splitlines()]
    assert [p.label for p in exact.classify_batch(golden)] == [p.label for p in reference.classify_batch(golden)]


def test_exact_mode_with_fp32_rescores_nothing(bundle_copy: Path) -> None:
    _edit_variant(bundle_copy, "fp32", error_band=1e6)
    exact = _load(bundle_copy, exact=True, variant="fp32")
    assert np.array_equal(exact.score(TEXTS), _load(bundle_copy, variant="fp32").score(TEXTS))
    assert exact.rescored == 0


def test_exact_mode_without_reference_or_error_band_is_refused(bundle_copy: Path, int8_variant: str) -> None:
    (bundle_copy / "onnx" / "model.onnx").unlink()
    with pytest.raises(BundleIntegrityError, match=r"onnx/model\.onnx is missing"):
        _load(bundle_copy, variant=int8_variant, exact=True)
    path = bundle_copy / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    del manifest["variants"]["fp32"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ProviderUnavailableError, match="no fp32 file"):
        _load(bundle_copy, variant=int8_variant, exact=True)
    _edit_variant(bundle_copy, int8_variant, error_band=None)
    with pytest.raises(BundleIntegrityError, match=f"has no error band for {int8_variant}"):
        _load(bundle_copy, variant=int8_variant, exact=True)


@given(st.floats(0.001, 0.999), st.floats(0.5, 5))
def test_margin_of_score_inverts_calibration(score: float, temperature: float) -> None:
    calibration = Calibration(temperature)
    logits = np.array([[0.0, calibration.margin_of(score)]], dtype=np.float32)
    assert calibration.scores(logits)[0] == pytest.approx(score, abs=1e-5)


def test_extreme_thresholds_have_infinite_margin() -> None:
    assert Calibration().margin_of(0.0) == -np.inf
    assert Calibration().margin_of(1.0) == np.inf
