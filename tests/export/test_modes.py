"""The modes of a bundle: order and limits of their thresholds, metrics, and the resolution text."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.checkpoint import Split
from export.errors import ExportError
from export.modes import fit_thresholds, metrics_of_band, metrics_of_modes, validation_scores
from export.report.resolution import resolution
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import Manifest
from spam_edge.bundle.validation import ValidationScores
from spam_edge.decision.operating_points import BALANCED, HIGH_RECALL, LOW_FALSE_POSITIVE, MODES
from spam_edge.decision.thresholds import FalsePositives, threshold_above_ham, threshold_for_rate

_ROWS = st.lists(st.tuples(st.floats(-8, 8, width=16), st.booleans()), min_size=4, max_size=60).filter(
    lambda rows: len({spam for _, spam in rows}) == 2 and len({margin for margin, _ in rows}) > 1
)


def _split(labels: list[int], clusters: list[int] | None = None, kinds: list[str] | None = None) -> Split:
    n, clusters = len(labels), clusters or list(range(len(labels)))
    kept = np.unique(clusters, return_index=True)[1]
    return Split([""] * n, np.array(labels, dtype=np.int64), kept, clusters, [[]] * n, kinds or [""] * n)


def _logits(margins: Iterable[float]) -> np.ndarray:
    return np.array([[0.0, margin] for margin in margins], dtype=np.float32)


@given(_ROWS)
def test_thresholds_are_ordered_and_respect_mode_limits(rows: list[tuple[float, bool]]) -> None:
    split, logits = _split([int(spam) for _, spam in rows]), _logits([margin for margin, _ in rows])
    thresholds = fit_thresholds(split, logits, temperature=1.5, variant="int8")
    scores = validation_scores(split, logits, temperature=1.5, variant="int8")
    assert tuple(thresholds) == MODES
    assert thresholds[LOW_FALSE_POSITIVE] >= thresholds[BALANCED] >= thresholds[HIGH_RECALL]
    ham, spam = len(scores.ham), len(scores.spam)
    if thresholds[LOW_FALSE_POSITIVE] > thresholds[BALANCED]:
        assert (scores.spam < thresholds[LOW_FALSE_POSITIVE]).sum() <= spam / 2
    # with fewer than 2,995 ham, only at the limit on missed spam
    if (scores.ham >= thresholds[LOW_FALSE_POSITIVE]).any():
        assert (scores.spam < threshold_above_ham(scores, allowed=0)).sum() > spam / 2
    if thresholds[HIGH_RECALL] < thresholds[BALANCED]:
        assert (scores.ham >= thresholds[HIGH_RECALL]).sum() <= 0.05 * ham
    if (scores.spam < thresholds[HIGH_RECALL]).sum() > 0.01 * spam:  # only at the limit on ham called spam
        assert (scores.ham >= scores.spam[int(0.01 * spam)]).sum() > 0.05 * ham


def _fitted(margins: Iterable[float], labels: list[int]) -> tuple[dict[str, float], ValidationScores]:
    split, logits = _split(labels), _logits(margins)
    return (
        fit_thresholds(split, logits, temperature=1.0, variant="int8"),
        validation_scores(split, logits, temperature=1.0, variant="int8"),
    )


def _drawn(
    ham: int, spam: int, *outliers: tuple[float, int], seed: int = 0
) -> tuple[dict[str, float], ValidationScores]:
    """Fit thresholds on scores like those of a good classifier, plus outliers given as (margin, label)."""
    rng = np.random.default_rng(seed)
    margins = [*rng.normal(-3, 1.7, ham), *rng.normal(4, 2.2, spam), *(margin for margin, _ in outliers)]
    return _fitted(margins, [0] * ham + [1] * spam + [label for _, label in outliers])


@pytest.mark.parametrize("seed", range(5))
def test_modes_differ_for_typical_validation_size(seed: int) -> None:
    thresholds, scores = _drawn(700, 300, seed=seed)
    strict, balanced, lenient = thresholds.values()
    assert strict > balanced > lenient
    assert strict == threshold_for_rate(scores, 0.001)
    assert (scores.ham >= strict).sum() == 0
    missed, false_positives = (scores.spam < lenient).sum(), (scores.ham >= lenient).sum()
    assert (missed == 3 and false_positives <= 35) or (missed > 3 and false_positives == 35)


def test_one_mislabelled_spam_does_not_determine_high_recall_threshold() -> None:
    """1 % of 56 spam is less than one, and a threshold without missed spam would lie below most ham."""
    (_, before), (thresholds, scores) = _drawn(400, 56), _drawn(400, 56, (-7.0, 1))
    assert (scores.ham >= scores.spam[0]).mean() > 0.9
    assert (scores.ham >= thresholds[HIGH_RECALL]).sum() <= 20
    assert (before.spam < thresholds[HIGH_RECALL]).sum() <= 1


def test_one_mislabelled_ham_does_not_sacrifice_most_spam() -> None:
    thresholds, scores = _drawn(700, 300, (9.0, 0))
    assert (scores.spam >= scores.ham[-1]).mean() < 0.05
    assert (scores.spam >= thresholds[LOW_FALSE_POSITIVE]).mean() >= 0.5
    text = resolution(scores, thresholds)
    assert "1 of 701 validation ham are called spam" in text
    assert (
        "a threshold for 0.1% would miss more than 50% of the validation spam; 150 of 300 validation spam are missed."
        in text
    )


def test_modes_coincide_for_well_separated_classes() -> None:
    thresholds, scores = _fitted([*np.linspace(-9, -7, 250), *np.linspace(5, 6, 50)], [0] * 250 + [1] * 50)
    assert len(set(thresholds.values())) == 1
    text = resolution(scores, thresholds)
    assert (
        "`low-false-positive` targets a false-positive rate of 0.1% and has the threshold of `balanced`: 0 of 250"
        in text
    )
    assert "`high-recall` targets a miss rate of 1% and has the threshold of `balanced`: 0 of 50" in text


def test_five_thousand_ham_suffice_to_demonstrate_target_rate() -> None:
    margins = [*np.linspace(-6, -2, 4998), 1.0, 3.0, *np.linspace(2, 4, 10)]
    thresholds, scores = _fitted(margins, [0] * 5000 + [1] * 10)
    assert FalsePositives.at(thresholds[LOW_FALSE_POSITIVE], scores.ham) == FalsePositives(1, 5000)
    assert resolution(scores, thresholds).splitlines()[1] == (
        "- `low-false-positive` targets a false-positive rate of 0.1%: 1 of 5,000 validation ham are called spam, "
        "a rate of at most 0.09% with 95 % confidence; 0 of 10 validation spam are missed."
    )


def test_validation_votes_are_reported_by_kind() -> None:
    kinds = ["", "", "bank", "code", "bank", "", "parcel"]
    split = _split([0, 0, 0, 0, 0, 1, 1], [0, 1, 2, 3, 2, 4, 5], kinds)
    scores = validation_scores(split, _logits([-4, -3, -2, -1, 9, 3, 4]), temperature=1.0, variant="int8")
    assert scores.votes() == {
        "ham": {
            "n": 4,
            "kinds": {
                "collection": {"n": 2, "share": 0.5},
                "bank": {"n": 1, "share": 0.25},
                "code": {"n": 1, "share": 0.25},
            },
        },
        "spam": {"n": 2, "kinds": {"collection": {"n": 1, "share": 0.5}, "parcel": {"n": 1, "share": 0.5}}},
    }
    assert scores.ham_kinds == ("collection", "collection", "bank", "code")
    assert resolution(scores, dict.fromkeys(MODES, 0.5)).splitlines()[0] == (
        "- Validation: 4 ham (2 of the collection, 2 notices of 2 kinds) and 2 spam (1 of the collection, 1 notices of "
        "1 kinds), one message per near-duplicate cluster."
    )


def test_near_duplicates_count_once_in_validation_scores() -> None:
    margins, labels = [-4.0, -3.0, 2.0, 3.0, 5.0, 5.5], [0, 0, 1, 1, 0, 0]
    scores = validation_scores(_split(labels, [0, 1, 2, 3, 4, 4]), _logits(margins), temperature=1.0, variant="int8")
    assert (len(scores.ham), len(scores.spam)) == (3, 2)
    assert np.allclose(np.log(scores.ham / (1 - scores.ham)), [-4, -3, 5], atol=1e-4)


def test_resolution_states_insufficient_validation_ham() -> None:
    scores = ValidationScores(variant="int8", ham=np.full(900, 0.1), spam=np.array([0.4, 0.9]))
    assert resolution(scores, {LOW_FALSE_POSITIVE: 0.6, BALANCED: 0.3, HIGH_RECALL: 0.05}).splitlines() == [
        "- Validation: 900 ham and 2 spam, one message per near-duplicate cluster.",
        "- `low-false-positive` targets a false-positive rate of 0.1%: 0 of 900 validation ham are called spam, a rate "
        "of at most 0.33% with 95 % confidence; 0.1% is estimated; 2,995 ham would be needed to show it; 1 of 2 "
        "validation spam are missed.",
        "- `high-recall` targets a miss rate of 1%: 0 of 2 validation spam are missed; 900 of 900 validation ham are "
        "called spam (100.00%, 99.59% to 100.00%).",
    ]
    held = resolution(scores, {LOW_FALSE_POSITIVE: 0.6, BALANCED: 0.6, HIGH_RECALL: 0.5}).splitlines()[2]
    assert (
        "1 of 2 validation spam are missed; a threshold for 1% would call more than 5% of the validation ham spam; 0 "
        in held
    )
    few = ValidationScores(variant="int8", ham=np.full(100, 0.1), spam=np.array([0.9]))
    assert "; 0.1% cannot be estimated; 2,995 ham would be needed" in resolution(few, dict.fromkeys(MODES, 0.6))


def test_validation_split_with_one_class_is_refused() -> None:
    with pytest.raises(ExportError, match="the validation split has 0 spam and 2 ham"):
        fit_thresholds(_split([0, 0]), _logits([-1, 1]), temperature=1.0, variant="int8")


def test_mode_rates_count_one_test_message_per_cluster(tiny_bundle: Path) -> None:
    manifest = Bundle.find(tiny_bundle).manifest
    split = _split([1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 2, 3, 4, 5])
    scores = np.array([0.9, 0.1, 0.0, 0.9, 0.0, 0.0, 0.0], dtype=np.float32)
    measured = metrics_of_modes(manifest, split, scores)
    assert set(measured) == set(MODES)
    for figures in measured.values():
        actual = {name: (rate["value"], rate["n"]) for name, rate in figures.items()}
        assert actual == {"precision": (0.5, 2), "recall": (0.5, 2), "false_positive_rate": (0.25, 4)}
        assert all(rate["low"] < rate["value"] < rate["high"] for rate in figures.values())
    nothing = metrics_of_modes(manifest, split, np.zeros(7, dtype=np.float32))[BALANCED]["precision"]
    assert nothing == {"value": None, "low": 0.0, "high": 1.0, "count": 0, "n": 0}


def test_unsure_band_counts_one_test_message_per_cluster(tiny_bundle: Path) -> None:
    data = Bundle.find(tiny_bundle).manifest.to_dict()
    data["thresholds"] = {LOW_FALSE_POSITIVE: 0.75, BALANCED: 0.5, HIGH_RECALL: 0.25}
    split = _split([1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 2, 3, 4, 5])
    scores = np.array([0.5, 0.0, 0.9, 0.74, 0.75, 0.25, 0.2], dtype=np.float32)
    rates = metrics_of_band(Manifest.from_dict(data), split, scores)
    assert {name: (rate["count"], rate["n"], rate["value"]) for name, rate in rates.items()} == {
        "ham": (2, 4, 0.5),
        "spam": (1, 2, 0.5),
    }


def test_committed_bundle_card_matches_validation_scores(tiny_bundle: Path) -> None:
    bundle = Bundle.find(tiny_bundle)
    scores = ValidationScores.read(bundle)
    assert (len(scores.ham), len(scores.spam), scores.variant) == (30, 30, "int8")
    assert set(bundle.manifest.metrics["modes"]) == set(bundle.manifest.thresholds) == set(MODES)
    card = (tiny_bundle / "README.md").read_text(encoding="utf-8")
    assert resolution(scores, bundle.manifest.thresholds) in card
    for mode, threshold in bundle.manifest.thresholds.items():
        same = "" if mode == BALANCED else ", the same as balanced"
        assert f"| {mode} | {threshold:.4f}{same} | 100.00% (91.19% to 100.00%, n 40)" in card
    assert (
        "UNSURE: of the test split, 0.00% (0.00% to 8.81%, n 40) of ham\nand 0.00% (0.00% to 8.81%, n 40) of spam"
        in card
    )
    assert bundle.manifest.metrics["validation"] == scores.votes()
