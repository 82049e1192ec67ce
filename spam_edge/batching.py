"""Batches of messages of similar length, each once, so that little of the work is padding and none is repeated."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Batch = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Token ids and attention mask, both of shape (rows, tokens)."""

TOKEN_BUDGET = 256
"""Most tokens in a batch, padding included: what so many need stays in the cache of a core."""
FUSED_TOKEN_BUDGET = 512
"""The same for the fused operator, which holds less of a batch at a time."""
CUDA_TOKEN_BUDGET = 16384
"""The same on a GPU, which wants more to do at once; chosen without one at hand."""


def distinct_rows(rows: Iterable[Sequence[int]]) -> tuple[list[tuple[int, ...]], NDArray[np.intp]]:
    """Return each row once, in the order of its first appearance, and for every row which of these it is.

    What a model says of the distinct rows, indexed with the second, is what it says of all rows.
    """
    places: dict[tuple[int, ...], int] = {}
    which = [places.setdefault(tuple(row), len(places)) for row in rows]
    return list(places), np.asarray(which, dtype=np.intp)


def plan_batches(lengths: Sequence[int], *, token_budget: int = TOKEN_BUDGET) -> Iterator[NDArray[np.intp]]:
    """Group rows by length, shortest first, so that rows x longest row stays within the budget.

    Args:
        lengths: number of tokens of each row.
        token_budget: most tokens of a batch, padding included; a longer row is a batch of its own.

    Yields:
        Indices of the rows of one batch, by ascending length. Each row is in exactly one batch.
    """
    order = np.argsort(np.asarray(lengths, dtype=np.intp), kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end - start + 1) * lengths[order[end]] > token_budget:
            yield order[start:end]
            start = end


def pad_rows(rows: Sequence[Sequence[int]], *, pad_token_id: int) -> Batch:
    """Fill rows on the right to the length of the longest."""
    width = max(map(len, rows))
    ids = np.full((len(rows), width), pad_token_id, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return ids, mask
