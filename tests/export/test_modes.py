"""The modes of a bundle: their order, what they allow on validation, and what is said of them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.checkpoint import Split
from export.errors import ExportError
from export.modes import fit_thresholds, metrics_of_modes, resolution, validation_scores
from spam_edge.bundle import Bundle
from spam_edge.operating_points import BALANCED, HIGH_RECALL, LOW_FALSE_POSITIVE, MODES
from spam_edge.validation import ValidationScores

_ROWS = st.lists(st.tuples(st.floats(-8, 8, width=16), st.booleans()), min_size=4, max_size=60).filter(
    lambda rows: len({spam for _, spam in rows}) == 2 and len({margin for margin, _ in rows}) > 1
)


def _split(labels: list[int], clusters: list[int] | None = None) -> Split:
    clusters = clusters or list(range(len(labels)))
    kept = np.unique(clusters, return_index=True)[1]
    return Split(
        [""] * len(labels), np.array(labels, dtype=np.int64), kept, clusters, [[] for _ in labels], [""] * len(labels)
    )


def _logits(margins: list[float]) -> np.ndarray:
    return np.array([[0.0, margin] for margin in margins], dtype=np.float32)


@given(_ROWS)
def test_thresholds_are_in_order_and_keep_their_promise(rows: list[tuple[float, bool]]) -> None:
    split, logits = _split([int(spam) for _, spam in rows]), _logits([margin for margin, _ in rows])
    thresholds = fit_thresholds(split, logits, temperature=1.5, variant="int8")
    scores = validation_scores(split, logits, temperature=1.5, variant="int8")
    assert tuple(thresholds) == MODES
    assert thresholds[LOW_FALSE_POSITIVE] >= thresholds[BALANCED] >= thresholds[HIGH_RECALL]
    assert not (scores.ham >= thresholds[LOW_FALSE_POSITIVE]).any()
    assert not (scores.spam < thresholds[HIGH_RECALL]).any()


def test_a_thousand_ham_allow_one_false_alarm() -> None:
    margins = [*np.linspace(-6, -2, 998), 1.0, 3.0, *np.linspace(2, 4, 10)]
    split = _split([0] * 1000 + [1] * 10)
    thresholds = fit_thresholds(split, _logits(margins), temperature=1.0, variant="int8")
    scores = validation_scores(split, _logits(margins), temperature=1.0, variant="int8")
    assert (scores.ham >= thresholds[LOW_FALSE_POSITIVE]).sum() == 1
    said = resolution(scores, thresholds)
    assert "Of 1,000 validation ham 1 reach its threshold" in said
    assert "at most 0.56% (95 % Clopper-Pearson)" in said
    assert "fewer than" not in said


def test_a_template_counts_once() -> None:
    margins, labels = [-4.0, -3.0, 2.0, 3.0, 5.0, 5.5], [0, 0, 1, 1, 0, 0]
    seen = validation_scores(_split(labels, [0, 1, 2, 3, 4, 4]), _logits(margins), temperature=1.0, variant="int8")
    assert (len(seen.ham), len(seen.spam)) == (3, 2)
    assert np.allclose(np.log(seen.ham / (1 - seen.ham)), [-4, -3, 5], atol=1e-4)


def test_few_ham_are_stated() -> None:
    scores = ValidationScores(variant="int8", ham=np.full(900, 0.1), spam=np.array([0.9]))
    said = resolution(scores, dict.fromkeys(MODES, 0.5))
    assert "with fewer than 1,000 ham, one false alarm is already more than that" in said
    assert "Of 900 validation ham 0 reach its threshold, from which follows a rate of at most 0.41%" in said


def test_a_validation_split_of_one_class_is_one_line() -> None:
    with pytest.raises(ExportError, match="the validation split has 0 spam and 2 ham"):
        fit_thresholds(_split([0, 0]), _logits([-1, 1]), temperature=1.0, variant="int8")


def test_rates_are_counted_on_the_test_split_one_per_cluster(tiny_bundle: Path) -> None:
    manifest = Bundle.find(tiny_bundle).manifest
    split = _split([1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 2, 3, 4, 5])
    scores = np.array([0.9, 0.1, 0.0, 0.9, 0.0, 0.0, 0.0], dtype=np.float32)
    measured = metrics_of_modes(manifest, split, scores)
    assert set(measured) == set(MODES)
    for figures in measured.values():
        found = {name: (rate["value"], rate["n"]) for name, rate in figures.items()}
        assert found == {"precision": (0.5, 2), "recall": (0.5, 2), "false_positive_rate": (0.25, 4)}
        assert all(rate["low"] < rate["value"] < rate["high"] for rate in figures.values())
    nothing = metrics_of_modes(manifest, split, np.zeros(7, dtype=np.float32))[BALANCED]["precision"]
    assert nothing == {"value": None, "low": 0.0, "high": 1.0, "count": 0, "n": 0}


def test_the_committed_bundle_has_them(tiny_bundle: Path) -> None:
    bundle = Bundle.find(tiny_bundle)
    scores = ValidationScores.read(bundle)
    assert (len(scores.ham), len(scores.spam), scores.variant) == (30, 30, "int8")
    assert set(bundle.manifest.metrics["modes"]) == set(bundle.manifest.thresholds) == set(MODES)
    card = (tiny_bundle / "README.md").read_text(encoding="utf-8")
    assert resolution(scores, bundle.manifest.thresholds) in card
    for mode, threshold in bundle.manifest.thresholds.items():
        assert f"| {mode} | {threshold:.4f} | 100.00% (91.19% to 100.00%, n 40)" in card
