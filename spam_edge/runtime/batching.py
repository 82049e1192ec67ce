"""Batch messages by length, to keep padding low."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Batch = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Token ids and attention mask, each of shape (rows, tokens)."""

PACKED_INPUTS = ("tokens", "positions", "offsets", "ends")
"""Inputs of a graph without padding; see :func:`pack_rows`."""
TOKEN_BUDGET = 256
"""Maximum tokens per batch, padding included. The activations of one batch fit into the cache of a core."""
FUSED_TOKEN_BUDGET = 512
"""The same for the fused operator, which keeps fewer activations in memory."""
CUDA_TOKEN_BUDGET = 65536
"""The same for a GPU, which needs larger batches. On an H200 larger ones were no faster."""


def plan_batches(
    lengths: "Sequence[int] | NDArray[np.intp]", *, token_budget: int = TOKEN_BUDGET
) -> Iterator[NDArray[np.intp]]:
    """Group rows by length, shortest first, with rows x longest row within the budget.

    Args:
        lengths: tokens of each row.
        token_budget: maximum tokens per batch, padding included; a longer row is a batch of its own.

    Yields:
        Row indices of one batch, by ascending length. Each row is in exactly one batch.
    """
    sizes = np.asarray(lengths, dtype=np.intp)
    order = np.argsort(sizes, kind="stable")
    ascending: list[int] = sizes[order].tolist()
    start = 0
    while start < len(order):
        end = _end_of_batch(ascending, start, token_budget)
        yield order[start:end]
        start = end


def _end_of_batch(ascending: Sequence[int], start: int, token_budget: int) -> int:
    """Return the end of the longest batch within the budget that begins at ``start``, and has at least one row."""

    def tokens_with(row: int) -> int:
        return (row - start + 1) * ascending[row]

    # The tokens grow with each row, so few rows need to be looked at.
    most = min(len(ascending), start + token_budget // max(1, ascending[start]))
    return start + 1 + bisect_right(range(start + 1, most), token_budget, key=tokens_with)


def pad_rows(rows: Sequence[Sequence[int]], *, pad_token_id: int) -> Batch:
    """Pad rows on the right to the length of the longest."""
    width = max(map(len, rows))
    ids = np.full((len(rows), width), pad_token_id, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return ids, mask


def pack_rows(token_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Remove the padding of a batch, for onnxruntime's PackedAttention.

    Args:
        token_ids: shape (rows, width).
        attention_mask: shape (rows, width); 1 for the first tokens of each row, 0 for its padding.

    Returns:
        By name in :data:`PACKED_INPUTS`: the t real tokens, row by row, shape (t,); their positions in their rows,
        shape (t,); the places of all real tokens and then of all padding in the flattened batch, shape (rows, width);
        0 and the number of real tokens up to the end of each row, shape (rows + 1,).
    """
    rows, width = token_ids.shape
    real = attention_mask.ravel() != 0
    places = np.flatnonzero(real)
    offsets = np.concatenate([places, np.flatnonzero(~real)]).astype(np.int32).reshape(rows, width)
    ends = np.zeros(rows + 1, dtype=np.int32)
    np.cumsum(attention_mask.sum(axis=1), out=ends[1:])
    arrays = (token_ids.ravel()[places], places % width, offsets, ends)
    return dict(zip(PACKED_INPUTS, arrays, strict=True))
