"""The two tracks of the test split: assignment of messages, and corpus metrics that ignore notices."""

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.checkpoint import Checkpoint, Split
from export.report import first_screen
from export.report.tracks import Track, metrics_of_tracks
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import Manifest
from spam_edge.decision.intervals import counted
from spam_edge.decision.operating_points import BALANCED, HIGH_RECALL, LOW_FALSE_POSITIVE, MODES
from spam_edge.training.data.notices import MARKETING, NOTICES

TINY = Path(__file__).parents[2] / "data" / "tiny_bundle"
HAM, SPAM = 0, 1


@functools.cache
def _manifest() -> Manifest:
    return replace(Bundle.find(TINY).manifest, thresholds=dict.fromkeys(MODES, 0.5), default_mode=BALANCED)


def _track(rows: list[tuple[float, int, int, str]]) -> Track:
    """Make a track from rows of score, label, cluster and kind; an empty kind is a corpus message."""
    scores, labels, clusters, kinds = zip(*rows, strict=True)
    split = Split(
        ["text"] * len(rows),
        np.array(labels, dtype=np.int64),
        np.array([], dtype=np.intp),
        list(clusters),
        [[NOTICES] if kind else ["sms.csv"] for kind in kinds],
        list(kinds),
    )
    array = np.array(scores, dtype=np.float32)
    return Track(split.take(np.arange(len(rows))), array, array)


CORPUS = [(0.1, HAM, 0, ""), (0.9, HAM, 1, ""), (0.9, SPAM, 2, ""), (0.2, SPAM, 2, "")]
TODAY = [
    (0.1, HAM, 3, "bank"),
    (0.9, HAM, 3, "bank"),  # near duplicate of the row before: no vote
    (0.9, HAM, 4, "bank"),
    (0.9, SPAM, 4, "bank-fraud"),  # imitates the row before, in the same cluster: its own vote
    (0.2, SPAM, 5, "toll"),
    (0.9, HAM, 6, MARKETING),
]


def test_today_rates_match_hand_counted_values() -> None:
    today = metrics_of_tracks(_manifest(), _track([*CORPUS, *TODAY]))["today"]
    assert today["false_positive_rate"] == counted(1, 2)
    assert today["recall"] == counted(1, 2)
    assert today["by_kind"] == {
        "bank": {"false_positive_rate": counted(1, 2)},
        "bank-fraud": {"recall": counted(1, 1)},
        "toll": {"recall": counted(0, 1)},
    }
    assert today[MARKETING] == counted(1, 1)
    assert {mode: rates["recall"] for mode, rates in today["modes"].items()} == dict.fromkeys(MODES, counted(1, 2))


def test_corpus_figures_are_unaffected_by_notices() -> None:
    manifest = _manifest()
    alone = metrics_of_tracks(manifest, _track(CORPUS))
    both = metrics_of_tracks(manifest, _track([*TODAY, *CORPUS]))
    assert "today" not in alone
    assert alone == {name: both[name] for name in alone} | {"unsure": alone["unsure"]}
    assert alone["test"]["int8"]["n"] == 4
    assert alone["test"]["int8_one_per_cluster"]["recall"] == 1.0
    assert list(alone["test_by_corpus"]) == ["sms.csv"]


def test_unsure_shares_count_both_tracks_without_marketing() -> None:
    thresholds = {LOW_FALSE_POSITIVE: 0.95, BALANCED: 0.5, HIGH_RECALL: 0.3}
    manifest = replace(_manifest(), thresholds=thresholds)
    unsure = metrics_of_tracks(manifest, _track([*CORPUS, *TODAY]))["unsure"]
    assert unsure == {"ham": counted(2, 4), "spam": counted(2, 3)}


def test_unnamed_corpora_have_no_per_corpus_metrics() -> None:
    track = _track(CORPUS)
    nameless = replace(track, split=replace(track.split, corpora=[[] for _ in CORPUS]))
    assert metrics_of_tracks(_manifest(), nameless)["test_by_corpus"] == {}


_NOTICE = st.tuples(
    st.sampled_from([0.1, 0.9]), st.sampled_from([HAM, SPAM]), st.integers(3, 9), st.sampled_from("abcd")
)


@settings(max_examples=25)
@given(st.lists(_NOTICE, min_size=1, max_size=20))
def test_kind_counts_sum_to_overall_counts(notices: list[tuple[float, int, int, str]]) -> None:
    today = metrics_of_tracks(_manifest(), _track([*CORPUS, *notices]))["today"]
    for name in ("false_positive_rate", "recall"):
        of_kinds = [rates[name] for rates in today["by_kind"].values() if name in rates]
        assert (name in today) == bool(of_kinds)
        if of_kinds:
            assert today[name] == counted(*(sum(rate[key] for rate in of_kinds) for key in ("count", "n")))
    assert sum(rate["n"] for rates in today["by_kind"].values() for rate in rates.values()) == len(
        {(label, cluster, kind) for _, label, cluster, kind in notices}
    )


def _manifest_of_rows(rows: list[tuple[float, int, int, str]]) -> Manifest:
    manifest = _manifest()
    return replace(manifest, metrics=metrics_of_tracks(manifest, _track(rows)))


def test_card_table_shows_tracks_side_by_side() -> None:
    shown = first_screen.tracks(_manifest_of_rows([*CORPUS, *TODAY]), "the corpus")
    assert "|  | the corpus | today |" in shown
    assert "| false-positive rate | 50.00% (1.26% to 98.74%, n 2) | 50.00% (1.26% to 98.74%, n 2) |" in shown
    assert "| spam recall | 100.00% (2.50% to 100.00%, n 1) | 50.00% (1.26% to 98.74%, n 2) |" in shown


def test_card_without_notices_has_one_track_and_no_kinds() -> None:
    manifest = _manifest_of_rows(CORPUS)
    assert first_screen.tracks(manifest, "the corpus").startswith("|  | the corpus |\n")
    assert first_screen.kinds(manifest) == ""


def test_kinds_with_few_messages_are_pooled() -> None:
    many = [(0.1, HAM, 10 + n, "bank") for n in range(5)]
    few = [(0.9, HAM, 20 + n, "code") for n in range(4)] + [(0.1, HAM, 30 + n, "road") for n in range(3)]
    spam = [(0.9, SPAM, 40 + n, "toll") for n in range(4)]
    shown = first_screen.kinds(_manifest_of_rows([*CORPUS, *many, *few, *spam, TODAY[-1]]))
    rows = [line for line in shown.splitlines() if line.startswith("| ")][2:]
    assert [line.split(" | ")[0] for line in rows] == ["| bank", "| other"]
    assert "| bank | 0.00% (0.00% to 52.18%, n 5) | other | 100.00% (39.76% to 100.00%, n 4) |" in shown
    assert "| other | 57.14% (18.41% to 90.10%, n 7) |  |  |" in shown
    assert "`marketing`, 100.00% (2.50% to 100.00%, n 1) is called SPAM" in shown


@pytest.mark.slow
def test_checkpoint_reports_custom_data_without_notices(tiny_checkpoint: Path) -> None:
    checkpoint = Checkpoint.read(tiny_checkpoint)
    assert checkpoint.is_of_own_files
    assert not checkpoint.knows_notices
    assert len(checkpoint.test.one_per_cluster) == 80
