import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.training.data.near_duplicates import cluster
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import load_corpus
from tests.support.near_duplicates import are_near_duplicates, shingles

short_texts = st.text(alphabet="abc 1", max_size=24)


def components(texts: list[str]) -> list[set[int]]:
    """Compute the connected components by brute force over all pairs."""
    sets = [shingles(text) for text in texts]
    groups = [{i} for i in range(len(texts))]
    for i, j in itertools.combinations(range(len(texts)), 2):
        if are_near_duplicates(sets[i], sets[j]):
            first, second = (next(group for group in groups if k in group) for k in (i, j))
            if first is not second:
                groups.remove(second)
                first |= second
    return groups


def as_groups(numbers: list[int]) -> list[set[int]]:
    return [{i for i, n in enumerate(numbers) if n == number} for number in set(numbers)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Call 07", {"call ", "all 0", "ll 00"}),
        ("abcde", {"abcde"}),
        ("Ok", {"ok"}),
        ("", {""}),
    ],
)
def test_shingles_are_lower_case_5_grams_with_digits_folded(text: str, expected: set[str]) -> None:
    assert shingles(text) == expected


def test_jaccard_and_containment_thresholds_are_inclusive() -> None:
    ten = frozenset(map(str, range(10)))
    assert are_near_duplicates(frozenset("abcd"), frozenset("abcdefgh"))  # Jaccard 4/8; contained
    assert are_near_duplicates(frozenset("abcxy"), frozenset("abcz") | {"w"}) is False  # Jaccard 3/7, containment 3/5
    assert are_near_duplicates(frozenset("abcdx"), frozenset("abcd") | ten)  # containment exactly 4/5
    assert not are_near_duplicates(frozenset("abcxy"), frozenset("abc") | ten)  # 3/5


@given(st.lists(short_texts, max_size=12))
def test_clusters_equal_brute_force_connected_components(texts: list[str]) -> None:
    assert sorted(map(sorted, as_groups(cluster(texts)))) == sorted(map(sorted, components(texts)))


def test_clustering_handles_alphabet_of_7000_characters() -> None:
    """Five characters of such an alphabet do not fit into 64 bits."""
    alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + 7000)))
    texts = [alphabet[start : start + 100] for start in range(0, 7000, 100)]
    copies = [texts[3] + "!", texts[41][5:]]
    groups = as_groups(cluster([*texts, *copies]))
    assert [group for group in groups if len(group) > 1] == [{3, 70}, {41, 71}]


@given(short_texts, short_texts)
def test_near_duplicate_relation_is_symmetric_and_reflexive(first: str, second: str) -> None:
    one, two = shingles(first), shingles(second)
    assert are_near_duplicates(one, two) == are_near_duplicates(two, one)
    assert are_near_duplicates(one, one)


@given(st.lists(st.text(max_size=40), max_size=8), st.randoms())
def test_clusters_are_independent_of_text_order(texts: list[str], order: random.Random) -> None:
    shuffled = texts.copy()
    order.shuffle(shuffled)

    def groups(ordered: list[str]) -> set[frozenset[str]]:
        return {frozenset(ordered[i] for i in group) for group in as_groups(cluster(ordered))}

    assert groups(texts) == groups(shuffled)


def test_clustering_finds_every_near_duplicate_in_real_messages() -> None:
    """Every near-duplicate pair that brute force finds in 600 real messages is in one cluster."""
    messages = load_corpus(["packaged"], CorpusOptions()).messages
    texts = sorted({message.text for message in messages})
    # Most near duplicates are spam, so a third of the sample is spam.
    spam = sorted({message.text for message in messages if message.is_spam})
    sample = random.Random(0).sample(spam, 200) + random.Random(1).sample(texts, 400)
    sample = sorted(set(sample))
    sets = [shingles(text) for text in sample]
    numbers = cluster(sample)
    pairs = [(i, j) for i, j in itertools.combinations(range(len(sample)), 2) if are_near_duplicates(sets[i], sets[j])]
    assert len(pairs) >= 30
    assert [pair for pair in pairs if numbers[pair[0]] != numbers[pair[1]]] == []
    assert sorted(map(sorted, as_groups(numbers))) == sorted(map(sorted, components(sample)))
