"""Clustering of near-duplicate messages, which keeps all variants of a message in one split.

Two messages are near duplicates if their sets of character 5-grams (lower case, digits folded to 0) have a Jaccard
similarity of at least 0.5, or if the larger set contains at least 80 % of the smaller one.

Candidate pairs come from prefix filtering (Chaudhuri et al. 2006; Bayardo et al. 2007), which is exact. If the smaller
set A shares a fraction of at least t of its grams with B, at most (1 - t)|A| grams of A are missing from B. So B
contains at least one of any floor((1 - t)|A|) + 1 grams of A; the rarest ones give the fewest candidates. Containment
requires t = 0.8 by definition and Jaccard t = 2/3: |A ∩ B| = J/(1 + J) (|A| + |B|) >= 1/3 · 2|A|. The weaker bound
covers both. A longer prefix of k grams must share at least t|A| - (|A| - k) of them, which leaves fewer candidates:
with k = 2/5 |A| 45,000 instead of 4.2 million for 26,000 messages.

MinHash LSH (datasketch, 128 permutations, threshold 0.5) was compared with brute force on the 4,534 distinct messages
of the packaged corpus. It finds 412 to 447 of the 457 Jaccard pairs and at most 75 % of all 627 pairs, because it
ignores containment. The prefix filter finds all 627.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

SHINGLE_LENGTH = 5
JACCARD = 0.5
CONTAINMENT = 0.8

_SHARED_NUMERATOR, _SHARED_DENOMINATOR = 2, 3
_PREFIX_NUMERATOR, _PREFIX_DENOMINATOR = 2, 5
_PAIRS_AT_ONCE = 50_000
_DIGIT = re.compile(r"\d")


def cluster(texts: Sequence[str]) -> list[int]:
    """Number the connected components of the near-duplicate relation.

    Args:
        texts: n messages.

    Returns:
        n cluster numbers, counted from 0. The grouping is order-independent.
    """
    graph = _near_duplicates(_incidence(texts)) if texts else coo_array((0, 0))
    _, labels = connected_components(graph, directed=False)
    return [int(label) for label in labels]


def _incidence(texts: Sequence[str]) -> csr_array:
    """Return the incidence matrix, shape (messages, grams), with grams in order of increasing frequency."""
    rows, grams = _grams([_DIGIT.sub("0", text.lower()) for text in texts])
    has = csr_array((np.ones(len(rows), np.int32), (rows, grams)), shape=(len(texts), 1 + int(grams.max())))
    has.sum_duplicates()
    has.data[:] = 1
    frequency = np.bincount(has.indices)
    rank = np.empty_like(has.indices, shape=len(frequency))
    rank[np.argsort(frequency, kind="stable")] = np.arange(len(frequency))
    has.indices = rank[has.indices]
    has.has_sorted_indices = False
    has.sort_indices()
    return has


def _grams(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the message and the number of each gram occurrence; equal grams have equal numbers, counted from 0."""
    lengths = np.array([len(text) for text in texts])
    characters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    alphabet, codes = np.unique(characters, return_inverse=True)
    base = len(alphabet) + 1
    ends = np.cumsum(lengths)
    counts = np.maximum(1, lengths - SHINGLE_LENGTH + 1)  # a short text is one gram, padded with code 0
    rows = np.repeat(np.arange(len(texts)), counts)
    first_gram = np.cumsum(counts) - counts
    starts = (ends - lengths)[rows] + np.arange(len(rows)) - first_gram[rows]
    codes = np.append(codes + 1, np.zeros(SHINGLE_LENGTH, np.int64))
    grams = np.zeros(len(rows), np.int64)
    distinct = 1
    for offset in range(SHINGLE_LENGTH):
        if distinct * base > np.iinfo(np.int64).max:
            grams, distinct = _renumbered(grams)
        grams = grams * base + np.where(starts + offset < ends[rows], codes[starts + offset], 0)
        distinct *= base
    return rows, _renumbered(grams)[0]


def _renumbered(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Number the distinct values from 0; return the numbers, and how many there are."""
    distinct, numbers = np.unique(values, return_inverse=True)
    return numbers, len(distinct)


def _near_duplicates(has: csr_array) -> coo_array:
    """Return the near-duplicate graph, shape (messages, messages), with 1 at (smaller set, larger set)."""
    sizes = np.diff(has.indptr)
    first, second = _candidates(has, sizes)
    near = np.zeros(len(first), dtype=bool)
    for start in range(0, len(first), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        shared = (has[first[part]] * has[second[part]]).sum(axis=1)
        one, other = sizes[first[part]], sizes[second[part]]
        near[part] = (shared >= JACCARD * (one + other - shared)) | (shared >= CONTAINMENT * np.minimum(one, other))
    first, second = first[near], second[near]
    return coo_array((np.ones(len(first), np.int8), (first, second)), shape=(len(sizes), len(sizes)))


def _candidates(has: csr_array, sizes: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the candidate pairs, each once and with the smaller set first, as the prefix bound requires."""
    prefix = sizes * _PREFIX_NUMERATOR // _PREFIX_DENOMINATOR + 1
    rank = np.arange(has.nnz) - np.repeat(has.indptr[:-1], sizes)
    rows, columns = has.nonzero()
    rare = rank < np.repeat(prefix, sizes)
    rarest = csr_array((np.ones(rare.sum(), np.int32), (rows[rare], columns[rare])), shape=has.shape)
    common = (rarest @ has.T).tocoo()
    first, second = common.coords
    ordered = (sizes[first] < sizes[second]) | ((sizes[first] == sizes[second]) & (first < second))
    outside = (sizes - prefix)[first]
    enough = _SHARED_DENOMINATOR * (common.data + outside) >= _SHARED_NUMERATOR * sizes[first]
    chosen = ordered & enough
    return first[chosen], second[chosen]
