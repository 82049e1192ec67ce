import itertools
import json
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spam_edge.errors import InputError
from spam_edge.training.data import splits
from spam_edge.training.data.cleaning import Cleaning, clean, require_enough
from spam_edge.training.data.messages import HAM, SPAM, LabelledMessage
from spam_edge.training.data.notices import Template
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import load_corpus
from tests.support.near_duplicates import near_duplicates_between

Make = Callable[[int], list[LabelledMessage]]


@pytest.fixture(scope="module")
def packaged_corpus() -> tuple[list[splits.Example], Cleaning]:
    return clean(load_corpus(["packaged"], CorpusOptions()).messages)


def test_packaged_corpus_cleaning_counts_match_manual_count(
    packaged_corpus: tuple[list[splits.Example], Cleaning],
) -> None:
    _, cleaning = packaged_corpus
    assert cleaning == Cleaning(
        read=4862,
        exact_duplicates=328,
        conflicts=10,  # "How come?" is contained in nine ham and one spam
        conflicting_clusters=1,
        kept=4524,
        clusters=4153,
        largest_cluster=50,
        clusters_across_corpora=0,
    )


def test_no_cluster_is_in_two_splits(packaged_corpus: tuple[list[splits.Example], Cleaning]) -> None:
    parts = splits.split(packaged_corpus[0], seed=42)
    clusters = [{example.cluster for example in parts[split]} for split in splits.SPLITS]
    assert all(not first & second for first, second in itertools.combinations(clusters, 2))
    assert sum(map(len, clusters)) == packaged_corpus[1].clusters


def test_test_split_has_no_near_duplicates_in_other_splits(
    packaged_corpus: tuple[list[splits.Example], Cleaning],
) -> None:
    """Compare every test message with all others by brute force, independently of the clusters."""
    parts = {split: [e.text for e in examples] for split, examples in splits.split(packaged_corpus[0], seed=42).items()}
    assert near_duplicates_between(parts["test"], [*parts["train"], *parts["validation"]]) == []


def test_splits_are_70_10_20_and_stratified_by_label(packaged_corpus: tuple[list[splits.Example], Cleaning]) -> None:
    parts = splits.split(packaged_corpus[0], seed=42)
    for split, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        sizes = splits.describe(parts[split])
        assert sizes["rows"] == pytest.approx(share * len(packaged_corpus[0]), rel=0.02)
        assert sizes["spam"] / sizes["rows"] == pytest.approx(0.124, abs=0.005)
        assert sizes["ham"] + sizes["spam"] == sizes["rows"]


def test_split_depends_on_seed_but_not_on_order(make_messages: Make) -> None:
    examples, _ = clean(make_messages(120))
    shuffled = random.Random(3).sample(examples, len(examples))
    assert splits.split(examples, 42) == splits.split(shuffled, 42)
    assert splits.split(examples, 42) != splits.split(examples, 43)


@settings(max_examples=20, deadline=None)
@given(order=st.randoms(), seed=st.integers(0, 2**32 - 1))
def test_cleaning_and_split_ignore_order_and_repeated_rows(
    make_messages: Make, order: random.Random, seed: int
) -> None:
    messages = make_messages(90)
    repeated = messages + order.choices(messages, k=30)
    order.shuffle(repeated)
    examples, cleaning = clean(repeated)
    assert examples == clean(messages)[0]
    assert cleaning.exact_duplicates == 30
    parts = splits.split(examples, seed)
    together = [example for split in parts.values() for example in split]
    assert Counter(together) == Counter(examples)
    assert splits.fingerprint(together) == splits.fingerprint(examples)


def test_cleaning_is_idempotent(packaged_corpus: tuple[list[splits.Example], Cleaning]) -> None:
    again, cleaning = clean([LabelledMessage(example.text, example.label) for example in packaged_corpus[0]])
    assert (cleaning.exact_duplicates, cleaning.conflicts) == (0, 0)
    assert [(e.text, e.label) for e in again] == [(e.text, e.label) for e in packaged_corpus[0]]


def test_near_duplicate_cluster_with_conflicting_labels_is_dropped(make_messages: Make) -> None:
    conflicting = [
        LabelledMessage("Call 0800 111 now to claim", SPAM),
        LabelledMessage("Call 0800 222 now to claim", HAM),
    ]
    examples, cleaning = clean(make_messages(60) + conflicting)
    assert (cleaning.conflicts, cleaning.conflicting_clusters, cleaning.kept) == (2, 1, 60)
    assert not {example.text for example in examples} & {message.text for message in conflicting}


def test_identical_text_with_conflicting_labels_is_dropped(make_messages: Make) -> None:
    conflicting = [LabelledMessage("the very same words", SPAM), LabelledMessage("the very same words", HAM)]
    _, cleaning = clean(make_messages(60) + conflicting)
    assert (cleaning.exact_duplicates, cleaning.conflicts, cleaning.kept) == (1, 1, 60)


def test_fingerprint_depends_on_text_and_label_but_not_cluster() -> None:
    first = splits.Example("a", HAM, 0)
    assert splits.fingerprint([first]) == splits.fingerprint([splits.Example("a", HAM, 7)])
    assert (
        len({splits.fingerprint([e]) for e in (first, splits.Example("b", HAM, 0), splits.Example("a", SPAM, 0))}) == 3
    )


def test_fingerprint_depends_on_template_but_not_on_filled_text() -> None:
    first, second = (Template(HAM, "code", "uk", "terse", "", text) for text in ("Code: {code}", "Your code: {code}"))
    drawn = [splits.Example(text, HAM, 0, template=first) for text in ("Code: 1234", "Code: 98 76")]
    assert splits.fingerprint(drawn[:1]) == splits.fingerprint(drawn[1:])
    assert splits.fingerprint([splits.Example("Code: 1234", HAM, 0, template=second)]) != splits.fingerprint(drawn[:1])


def test_one_per_cluster_keeps_first_example() -> None:
    examples = [splits.Example(text, HAM, number) for text, number in (("a", 4), ("b", 2), ("c", 4), ("d", 9))]
    assert splits.one_per_cluster(examples) == [0, 1, 3]


def test_json_lines_preserve_unicode_text() -> None:
    text = 'a "quoted" £ \u2028 line \U0001f600'
    line = splits.to_json_lines([splits.Example(text, SPAM, 3, ("a.csv", "b.csv"), "prize")])
    assert json.loads(line) == {
        "text": text, "label": SPAM, "cluster": 3, "corpus": ["a.csv", "b.csv"], "kind": "prize",
    }  # fmt: skip
    assert "£" in line


def test_corpus_of_fewer_than_50_messages_is_refused(make_messages: Make) -> None:
    with pytest.raises(InputError, match=r"49 messages are left of 60 .*at least 50"):
        require_enough(*clean(make_messages(49) + make_messages(11)))


def test_corpus_without_spam_is_refused(make_messages: Make) -> None:
    ham = [message for message in make_messages(90) if message.label == HAM]
    with pytest.raises(InputError, match="holds no SPAM"):
        require_enough(*clean(ham))


def test_corpus_of_fewer_than_10_spam_clusters_is_refused(make_messages: Make) -> None:
    messages = make_messages(120)
    few = [message for message in messages if message.label == HAM] + [m for m in messages if m.label == SPAM][:9]
    examples, _ = clean(few)
    with pytest.raises(InputError, match=r"9 independent SPAM messages .* at least 10"):
        splits.split(examples, 42)
