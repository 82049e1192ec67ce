"""Near duplicates by brute force over all pairs."""

import re
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from spam_edge.training.data.near_duplicates import CONTAINMENT, JACCARD, SHINGLE_LENGTH

_AT_ONCE = 500


def shingles(text: str) -> frozenset[str]:
    """Return the character 5-grams of the lower-cased text with digits folded to 0; a shorter text is one shingle."""
    folded = re.sub(r"\d", "0", text.lower())
    return frozenset(folded[i : i + SHINGLE_LENGTH] for i in range(max(1, len(folded) - SHINGLE_LENGTH + 1)))


def are_near_duplicates(first: frozenset[str], second: frozenset[str]) -> bool:
    """Return whether two shingle sets are near duplicates, by the definition alone."""
    shared = len(first & second)
    return shared / len(first | second) >= JACCARD or shared / min(len(first), len(second)) >= CONTAINMENT


def near_duplicates_between(first: Sequence[str], second: Sequence[str]) -> list[tuple[str, str]]:
    """Return all near-duplicate pairs with one message from each sequence."""
    count = CountVectorizer(analyzer=shingles, binary=True, dtype=np.int32).fit([*first, *second])
    others = count.transform(second)
    other_sizes = np.asarray(others.sum(axis=1)).reshape(-1)
    found = []
    for start in range(0, len(first), _AT_ONCE):
        rows = count.transform(first[start : start + _AT_ONCE])
        shared = (rows @ others.T).toarray()
        sizes = np.asarray(rows.sum(axis=1))
        union, smaller = sizes + other_sizes - shared, np.minimum(sizes, other_sizes)
        near = (shared >= JACCARD * union) | (shared >= CONTAINMENT * smaller)
        found += [(first[start + row], second[column]) for row, column in np.argwhere(near).tolist()]
    return found
