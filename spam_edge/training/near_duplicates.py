"""Clusters of near-duplicate messages, so that a template never stands on two sides of a split.

Two messages are near duplicates when their sets of character 5-grams (lower case, every digit as 0) have a
Jaccard similarity of at least 0.5, or when 80 % of the smaller set lies in the larger one.

Candidate pairs come from prefix filtering (Chaudhuri et al. 2006; Bayardo et al. 2007), which is exact: if the
smaller set A shares at least a share t of its grams with B, it misses at most (1 - t)|A| of them, so B holds one
of any floor((1 - t)|A|) + 1 grams of A; the rarest ones give the fewest candidates. Containment asks for t = 0.8
by definition and Jaccard for t = 2/3: |A ∩ B| = J/(1 + J) (|A| + |B|) >= 1/3 · 2|A|. The weaker bound
serves both.

MinHash LSH (datasketch, 128 permutations, threshold 0.5) was measured against brute force on the 4,534 distinct
messages of the packaged corpus: it finds 412 to 447 of the 457 Jaccard pairs and 75 % of all 627 pairs at best,
because it knows nothing of containment. The prefix filter finds all 627, in 1.7 s instead of 1.0 s.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SHINGLE_LENGTH = 5
JACCARD = 0.5
CONTAINMENT = 0.8

_SHARED_NUMERATOR, _SHARED_DENOMINATOR = 2, 3
_DIGIT = re.compile(r"\d")


def shingles(text: str) -> frozenset[str]:
    """Character 5-grams of the text in lower case with digits folded to 0; a shorter text is its own only shingle."""
    folded = _DIGIT.sub("0", text.lower())
    return frozenset(folded[i : i + SHINGLE_LENGTH] for i in range(max(1, len(folded) - SHINGLE_LENGTH + 1)))


def are_near_duplicates(first: frozenset[str], second: frozenset[str]) -> bool:
    """Whether two shingle sets meet the definition; symmetric, and true of a set and itself."""
    shared = len(first & second)
    return shared / len(first | second) >= JACCARD or shared / min(len(first), len(second)) >= CONTAINMENT


def cluster(texts: Sequence[str]) -> list[int]:
    """Number the connected components of the near-duplicate relation.

    Args:
        texts: n messages.

    Returns:
        n cluster numbers from 0. Which messages belong together does not depend on their order.
    """
    sets = [shingles(text) for text in texts]
    pairs = [pair for pair in _candidates(sets) if are_near_duplicates(sets[pair[0]], sets[pair[1]])]
    rows, columns = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (rows, columns)), shape=(len(texts), len(texts)))
    _, labels = connected_components(graph, directed=False)
    return [int(label) for label in labels]


def _candidates(sets: Sequence[frozenset[str]]) -> Iterator[tuple[int, int]]:
    frequency = Counter(shingle for members in sets for shingle in members)
    holders: dict[str, list[int]] = defaultdict(list)
    for index, members in enumerate(sets):
        for shingle in members:
            holders[shingle].append(index)
    for index, members in enumerate(sets):
        rarest = sorted(members, key=lambda shingle: (frequency[shingle], shingle))
        may_miss = len(members) * (_SHARED_DENOMINATOR - _SHARED_NUMERATOR) // _SHARED_DENOMINATOR
        found = {other for shingle in rarest[: may_miss + 1] for other in holders[shingle]}
        # Each pair once, seen from its smaller set, as the bound requires.
        yield from ((index, other) for other in found if (len(members), index) < (len(sets[other]), other))
