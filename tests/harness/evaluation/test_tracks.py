"""Test that each label of a cluster has one vote in a track, at the threshold of its fold."""

from typing import Any

import pytest

from tests.evaluation.evasion import Attacked, worst_of
from tests.evaluation.tracks import Track

NOTICES = "notices"


def make_fold(scores: list[float], *, first: int, threshold: float, attacks: list[Attacked]) -> dict[str, Any]:
    """Return a fold: a fraud, its genuine message and a copy of it in one cluster, and other spam in a second one."""
    part = {
        "texts": [f"text {first} {place}" for place in range(4)],
        "kinds": ["bank-fraud", "bank", "bank", "toll"],
        "is_spam": [True, False, False, True],
        "clusters": [first, first, first, first + 1],
        "scores": {"spam_edge": scores, "char_svm": [-score for score in scores]},
        "calls": {"spam_edge": [score >= threshold for score in scores], "char_svm": [False] * 4},
        "attacks": [attack.to_dict() for attack in attacks],
    }
    return {NOTICES: part, "thresholds": {"balanced": threshold, "high-recall": threshold / 2}}


def attack(name: str, rows: list[int], ours: list[float]) -> Attacked:
    return Attacked(name, "medium", "keywords", rows, ours, [-1.0] * len(rows))


@pytest.fixture
def track() -> Track:
    folds = [
        make_fold([0.9, 0.2, 0.9, 0.4], first=0, threshold=0.5, attacks=[attack("E1", [0, 3], [0.6, 0.4])]),
        make_fold([0.7, 0.7, 0.1, 0.9], first=9, threshold=0.8, attacks=[attack("E1", [3], [0.9])]),
    ]
    return Track([*folds, {"thresholds": {"balanced": 0.1}}], NOTICES)  # a fold without notices is ignored


def test_both_labels_of_cluster_vote_and_copies_do_not(track: Track) -> None:
    assert [track.texts[row] for row in track.votes] == [
        "text 0 1", "text 0 0", "text 0 3", "text 9 1", "text 9 0", "text 9 3",
    ]  # fmt: skip


def test_mode_counts_use_threshold_of_each_fold(track: Track) -> None:
    modes = track.modes(track.votes)
    assert modes["balanced"]["confusion"] == {"tp": 2, "fp": 0, "fn": 2, "tn": 2}
    assert modes["high-recall"]["confusion"] == {"tp": 4, "fp": 1, "fn": 0, "tn": 1}


def test_disguised_recall_is_paired_with_clean_recall_of_same_spam(track: Track) -> None:
    first, worst = track.evasion()
    assert (first["attack"], worst["attack"]) == ("E1", "E18")
    assert (first["changed"], first["recall"]["value"], first["clean_recall"]) == (3, 2 / 3, 2 / 3)
    assert 0 < first["clean_low"] < 2 / 3


def test_worst_case_takes_lowest_comparable_score_per_message() -> None:
    attacks = [
        attack("E1", [0, 3], [0.6, 0.4]),
        attack("E2", [3], [0.3]),
        attack("E16", [0], [0.0]),
        Attacked("E3", "heavy", "keywords", [0], [0.1], [0.1]),
    ]
    worst = worst_of(attacks)
    assert dict(zip(worst.rows, worst.ours, strict=True)) == {0: 0.6, 3: 0.3}


def test_baseline_threshold_matches_false_positive_count_of_model(track: Track) -> None:
    # Ours has no false positive on the two voting ham, so the threshold is the baseline's highest ham score.
    assert track.baseline_threshold == max(-0.2, -0.7)
