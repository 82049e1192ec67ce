"""Test that folds keep near duplicates together, and test every message once."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from spam_edge.training.data.corpus import Prepared, prepare
from spam_edge.training.data.messages import HAM, SPAM, LabelledMessage
from spam_edge.training.data.notices import MARKETING, NOTICES, notices, with_notices
from spam_edge.training.data.sources import Corpus
from spam_edge.training.data.splits import Example, fingerprint
from tests.evaluation.folds import CORPUS, FOLDS, by_track, grouped_folds, leaky_split
from tests.evaluation.jobs import shares_of
from tests.support.notices import few_notices_here

WORDS = [a + b for a in ("bal", "cor", "dim", "fen", "gul", "hop") for b in ("ta", "ro", "ki", "su", "ne", "vo")]


@pytest.fixture(scope="module", autouse=True)
def _few_notices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with few_notices_here(tmp_path_factory.mktemp("notices")):
        yield


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    rng = random.Random(0)
    texts = [" ".join(rng.sample(WORDS, 10)) for _ in range(150)]
    twins = [text + " now" for text in texts[:40]]
    rows = [LabelledMessage(text, SPAM if index % 3 == 0 else HAM) for index, text in enumerate(texts)]
    rows += [LabelledMessage(text, SPAM if index % 3 == 0 else HAM) for index, text in enumerate(twins)]
    return prepare(Corpus("made", "files", "asked for", tuple(rows)), 0)


@pytest.fixture(scope="module")
def notice_examples(prepared: Prepared) -> list[Example]:
    """Notices with one side of a pair relabelled as marketing, so that its group contains both kinds."""
    examples = notices([example for split in prepared.splits.values() for example in split])
    paired = next(example for example in examples if example.template and example.template.pair)
    return [replace(e, kind=MARKETING) if e.text == paired.text else e for e in examples]


@pytest.fixture(scope="module")
def folds_with_notices(prepared: Prepared, notice_examples: list[Example]) -> list[Prepared]:
    return list(grouped_folds(prepared, seed=1, notices=notice_examples))


def test_every_message_is_tested_in_exactly_one_fold(prepared: Prepared) -> None:
    folds = list(grouped_folds(prepared, seed=1))
    tested = Counter(example.text for fold in folds for example in fold.splits["test"])
    assert len(folds) == FOLDS
    assert set(tested.values()) == {1}
    assert len(tested) == prepared.cleaning.kept


def test_no_near_duplicate_cluster_spans_two_splits(prepared: Prepared) -> None:
    for fold in grouped_folds(prepared, seed=1):
        splits = [{example.cluster for example in examples} for examples in fold.splits.values()]
        assert sum(map(len, splits)) == len(set().union(*splits))
        sizes = {split: len(examples) for split, examples in fold.splits.items()}
        assert sizes["train"] > sizes["test"] > sizes["validation"]


def test_folds_are_deterministic_for_seed(prepared: Prepared) -> None:
    first, second = (list(grouped_folds(prepared, seed=3)) for _ in range(2))
    assert [fold.splits for fold in first] == [fold.splits for fold in second]


def test_adding_notices_keeps_corpus_folds_unchanged(prepared: Prepared, folds_with_notices: list[Prepared]) -> None:
    for corpus_only, combined in zip(grouped_folds(prepared, seed=1), folds_with_notices, strict=True):
        for split, examples in corpus_only.splits.items():
            assert combined.splits[split][: len(examples)] == examples
            assert {e.corpus for e in combined.splits[split][len(examples) :]} == {(NOTICES,)}


def test_every_notice_is_tested_once_and_groups_stay_whole(
    folds_with_notices: list[Prepared], notice_examples: list[Example]
) -> None:
    tested = [e for fold in folds_with_notices for e in fold.splits["test"] if NOTICES in e.corpus]
    assert sorted(e.text for e in tested) == sorted(e.text for e in notice_examples)
    for fold in folds_with_notices:
        splits = [{example.cluster for example in examples} for examples in fold.splits.values()]
        assert sum(map(len, splits)) == len(set().union(*splits))
        sizes = {split: sum(NOTICES in e.corpus for e in examples) for split, examples in fold.splits.items()}
        assert [round(10 * n / len(notice_examples)) for n in sizes.values()] == [7, 1, 2]
        shares = [sum(e.label == SPAM for e in split) / len(split) for split in fold.splits.values()]
        assert max(shares) - min(shares) < 0.05


def test_marketing_messages_appear_only_in_test_splits(
    folds_with_notices: list[Prepared], notice_examples: list[Example]
) -> None:
    assert any(e.kind == MARKETING for e in notice_examples)
    for split, expected in (
        ("train", 0),
        ("validation", 0),
        ("test", sum(e.kind == MARKETING for e in notice_examples)),
    ):
        assert sum(e.kind == MARKETING for fold in folds_with_notices for e in fold.splits[split]) == expected


def test_messages_are_assigned_to_their_track(
    folds_with_notices: list[Prepared], notice_examples: list[Example]
) -> None:
    tracks_by_fold = [by_track(fold.splits["test"]) for fold in folds_with_notices]
    assert sum(len(tracks[NOTICES]) for tracks in tracks_by_fold) == sum(e.kind != MARKETING for e in notice_examples)
    assert sum(len(tracks.get(MARKETING, ())) for tracks in tracks_by_fold) == sum(
        e.kind == MARKETING for e in notice_examples
    )
    assert all(NOTICES not in e.corpus for tracks in tracks_by_fold for e in tracks[CORPUS])


def test_fingerprint_of_folds_matches_training_fingerprint(prepared: Prepared) -> None:
    examples = [example for split in prepared.splits.values() for example in split]
    assert fingerprint([*examples, *notices(examples)]) == with_notices(prepared, 5).fingerprint


def test_leaky_split_shares_clusters_between_train_and_test(prepared: Prepared) -> None:
    leaky = leaky_split(prepared.corpus.messages, prepared, seed=0)
    cluster = {example.text: example.cluster for split in prepared.splits.values() for example in split}
    trained = {cluster[example.text] for example in leaky.splits["train"]}
    assert any(cluster[example.text] in trained for example in leaky.splits["test"])
    assert sum(map(len, leaky.splits.values())) == len(prepared.corpus.messages)


@pytest.mark.parametrize(
    ("cores", "n_jobs", "expected"),
    [([0, 1, 4], 7, [[0], [1], [4]]), ([0, 1, 4], 2, [[0, 4], [1]]), ([0, 1], 1, [[0, 1]]), ([3], 0, [[3]])],
)
def test_cores_are_divided_among_jobs_without_overlap(cores: list[int], n_jobs: int, expected: list[list[int]]) -> None:
    assert shares_of(cores, n_jobs) == expected
