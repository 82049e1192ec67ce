"""Near duplicates by brute force, without the clusters: every pair is looked at."""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from spam_edge.training.near_duplicates import CONTAINMENT, JACCARD, shingles

_AT_ONCE = 500


def near_duplicates_between(first: Sequence[str], second: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of a message of the one and a message of the other that are near duplicates."""
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
