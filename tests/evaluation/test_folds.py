"""Who is tested is not trained on, and every message is tested once."""

import random
from collections import Counter

import pytest

from spam_edge.training.corpus import Prepared, prepare
from spam_edge.training.messages import HAM, SPAM, Message
from spam_edge.training.sources import Corpus
from tests.evaluation.folds import FOLDS, grouped_folds, leaky_split
from tests.evaluation.jobs import shares_of

WORDS = [a + b for a in ("bal", "cor", "dim", "fen", "gul", "hop") for b in ("ta", "ro", "ki", "su", "ne", "vo")]


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    dice = random.Random(0)
    texts = [" ".join(dice.sample(WORDS, 10)) for _ in range(150)]
    twins = [text + " now" for text in texts[:40]]
    rows = [Message(text, SPAM if index % 3 == 0 else HAM) for index, text in enumerate(texts)]
    rows += [Message(text, SPAM if index % 3 == 0 else HAM) for index, text in enumerate(twins)]
    return prepare(Corpus("made", "files", "asked for", tuple(rows)), 0)


def test_every_message_is_tested_once(prepared: Prepared) -> None:
    folds = list(grouped_folds(prepared, seed=1))
    tested = Counter(example.text for fold in folds for example in fold.sides["test"])
    assert len(folds) == FOLDS
    assert set(tested.values()) == {1}
    assert len(tested) == prepared.cleaning.kept


def test_no_cluster_stands_on_two_sides(prepared: Prepared) -> None:
    for fold in grouped_folds(prepared, seed=1):
        sides = [{example.cluster for example in examples} for examples in fold.sides.values()]
        assert sum(map(len, sides)) == len(set().union(*sides))
        sizes = {side: len(examples) for side, examples in fold.sides.items()}
        assert sizes["train"] > sizes["test"] > sizes["validation"]


def test_folds_are_the_same_each_time(prepared: Prepared) -> None:
    first, second = (list(grouped_folds(prepared, seed=3)) for _ in range(2))
    assert [fold.sides for fold in first] == [fold.sides for fold in second]


def test_the_leaky_split_leaks(prepared: Prepared) -> None:
    leaky = leaky_split(prepared.corpus.messages, prepared, seed=0)
    cluster = {example.text: example.cluster for side in prepared.sides.values() for example in side}
    trained = {cluster[example.text] for example in leaky.sides["train"]}
    assert any(cluster[example.text] in trained for example in leaky.sides["test"])
    assert sum(map(len, leaky.sides.values())) == len(prepared.corpus.messages)


@pytest.mark.parametrize(
    ("cores", "n_jobs", "expected"),
    [([0, 1, 4], 7, [[0], [1], [4]]), ([0, 1, 4], 2, [[0, 4], [1]]), ([0, 1], 1, [[0, 1]]), ([3], 0, [[3]])],
)
def test_no_core_is_idle_and_none_is_shared(cores: list[int], n_jobs: int, expected: list[list[int]]) -> None:
    assert shares_of(cores, n_jobs) == expected
