"""The population stability index and its verdict, on scores from known distributions."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import Manifest
from spam_edge.bundle.validation import ValidationScores
from spam_edge.decision.operating_points import HIGH_RECALL, LOW_FALSE_POSITIVE
from spam_edge.diagnostics.drift import BINS, DRIFTED, STABLE, TOO_FEW, WATCHED, DriftMonitor, stability_index


@pytest.fixture(scope="module")
def manifest(tiny_bundle: Path) -> Manifest:
    return Bundle.find(tiny_bundle).manifest


def _scores(rng: np.random.Generator, n: int, *, spam: float = 0.13) -> NDArray[np.float32]:
    is_spam = rng.random(n) < spam
    return np.where(is_spam, rng.beta(8, 1, n), rng.beta(1, 30, n)).astype(np.float32)


def _monitor(rng: np.random.Generator, n: int, manifest: Manifest) -> DriftMonitor:
    reference = np.sort(_scores(rng, n).astype(np.float64))
    scores = ValidationScores(variant="int8", ham=reference[: n // 2], spam=reference[n // 2 :])
    return DriftMonitor(scores, manifest, threshold=0.5)


@pytest.mark.parametrize("n", [1, 30, 60, 200, 1000])
def test_samples_from_same_distribution_rarely_raise_alarm(manifest: Manifest, n: int) -> None:
    verdicts: Counter[str] = Counter()
    rng = np.random.default_rng(n)
    for _ in range(60):
        monitor = _monitor(rng, 400, manifest)
        monitor.add(_scores(rng, n))
        verdicts[monitor.report().verdict] += 1
    assert verdicts[WATCHED] + verdicts[DRIFTED] <= 3  # the expected rate is 1 %
    if n <= 60:
        assert verdicts[STABLE] == 0
    if n >= 1000:
        assert verdicts[STABLE] >= 57


@pytest.mark.parametrize(("spam", "verdict"), [(0.13, STABLE), (0.3, WATCHED), (0.6, DRIFTED)])
def test_verdict_follows_change_of_spam_share(manifest: Manifest, spam: float, verdict: str) -> None:
    rng = np.random.default_rng(5)
    monitor = _monitor(rng, 2000, manifest)
    for _ in range(20):
        monitor.add(_scores(rng, 100, spam=spam))
    report = monitor.report()
    assert (report.verdict, report.now.n, report.drifted) == (verdict, 2000, verdict == DRIFTED)
    assert report.now.spam == pytest.approx(spam, abs=0.05)
    assert report.validation.spam == pytest.approx(0.13, abs=0.03)


def test_empty_sample_is_too_few_for_verdict(manifest: Manifest) -> None:
    report = _monitor(np.random.default_rng(0), 400, manifest).report()
    assert (report.verdict, report.now.n, report.now.spam) == (TOO_FEW, 0, 0.0)


def test_empty_bin_gives_finite_stability_index() -> None:
    [expected, counted] = np.array([[50, 50], [100, 0]])
    assert stability_index(expected, expected) == 0
    p, q = np.array([50.5, 50.5]) / 101, np.array([100.5, 0.5]) / 101
    assert stability_index(expected, counted) == pytest.approx(((q - p) * np.log(q / p)).sum())


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=80), st.lists(st.floats(0, 1, width=32), max_size=80))
def test_every_score_is_counted_in_one_bin(reference: list[float], now: list[float]) -> None:
    manifest = Bundle.find(Path(__file__).parents[1] / "data" / "tiny_bundle").manifest
    scores = ValidationScores(variant="int8", ham=np.sort(reference[:1]), spam=np.sort(reference[1:]))
    monitor = DriftMonitor(scores, manifest, threshold=0.5)
    monitor.add(np.array(now[:40], dtype=np.float32))
    monitor.add(now[40:])
    report = monitor.report()
    assert len(report.expected) == len(report.counted) == len(report.bins) + 1 <= BINS
    assert (sum(report.expected), sum(report.counted)) == (len(reference), len(now))
    assert (report.validation.n, report.now.n) == (len(reference), len(now))
    assert report.psi >= 0
    assert json.loads(json.dumps(report.to_dict()))["psi"] == report.psi


def test_spam_and_unsure_shares_follow_bundle_thresholds(banded_bundle: Path) -> None:
    classifier = SpamClassifier.load(banded_bundle, RuntimeOptions(device="cpu"))
    thresholds = classifier.manifest.thresholds
    monitor = DriftMonitor.of(classifier)
    monitor.add([0.0, thresholds[HIGH_RECALL], thresholds["balanced"], thresholds[LOW_FALSE_POSITIVE], 1.0])
    report = monitor.report()
    assert (report.now.spam, report.now.unsure) == (pytest.approx(3 / 5), pytest.approx(2 / 5))
    assert report.validation.n == 60


def test_validation_scores_reproduce_reference_bins_exactly(tiny_bundle: Path) -> None:
    """The decimals in the file must parse to scores bit-identical to those of the runtime."""
    classifier = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu"))
    scores = ValidationScores.read(classifier.bundle)
    monitor = DriftMonitor.of(classifier)
    monitor.add(scores.all.astype(np.float32))
    report = monitor.report()
    assert (report.counted, report.psi) == (report.expected, 0)
