"""Token rows of many messages in a few arrays: Python objects per message would cost more than the tokenisation."""

from collections.abc import Sequence
from itertools import chain, starmap
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spam_edge.text.tokenization import TokenIds


class TokenRows:
    """Token ids of n messages, [CLS] and [SEP] included, without padding.

    Attributes:
        ids: token ids of all rows, in any order of rows.
        starts: index in ``ids`` of the first token of each row, shape (n,).
        lengths: number of tokens of each row, shape (n,).
        truncated: whether each row was truncated, shape (n,).
    """

    __slots__ = ("ids", "lengths", "starts", "truncated")  # no dataclass, which takes milliseconds to define

    def __init__(
        self,
        ids: NDArray[np.int64],
        starts: NDArray[np.intp],
        lengths: NDArray[np.intp],
        truncated: NDArray[np.bool_],
    ) -> None:
        self.ids, self.starts, self.lengths, self.truncated = ids, starts, lengths, truncated

    @classmethod
    def of(cls, rows: Sequence[TokenIds]) -> Self:
        """Pack rows."""
        lengths = np.array([len(ids) for ids, _ in rows], dtype=np.intp)
        ids = np.fromiter(chain.from_iterable([ids for ids, _ in rows]), dtype=np.int64, count=int(lengths.sum()))
        return cls.consecutive(ids, lengths, np.array([truncated for _, truncated in rows], dtype=np.bool_))

    @classmethod
    def consecutive(cls, ids: NDArray[np.int64], lengths: NDArray[np.intp], truncated: NDArray[np.bool_]) -> Self:
        """Return the rows that lie one after the other in ``ids``."""
        return cls(ids, np.cumsum(lengths) - lengths, lengths, truncated)

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, indices: "NDArray[np.intp] | slice") -> "TokenRows":
        """Return some rows. They share the array of ids."""
        return TokenRows(self.ids, self.starts[indices], self.lengths[indices], self.truncated[indices])

    def to_lists(self) -> list[list[int]]:
        """Return the token ids of each row."""
        bounds = zip(self.starts.tolist(), (self.starts + self.lengths).tolist(), strict=True)
        return [self.ids[start:end].tolist() for start, end in bounds]

    def distinct(self) -> "tuple[TokenRows, NDArray[np.intp]]":
        """Remove rows with equal ids.

        Returns:
            The distinct rows in order of first appearance, and for each row the index of its distinct row. Indexing the
            results of the distinct rows with it gives the results of all rows.
        """
        count = len(self)
        if count == 1:  # spares one message some microseconds
            return self, np.zeros(1, dtype=np.intp)
        size = self.ids.itemsize
        content = self.ids.tobytes()
        bounds = zip((self.starts * size).tolist(), ((self.starts + self.lengths) * size).tolist(), strict=True)
        places: dict[bytes, int] = {}
        firsts = map(places.setdefault, map(content.__getitem__, starmap(slice, bounds)), range(count))
        first_of_each = np.fromiter(firsts, dtype=np.intp, count=count)
        distinct = np.fromiter(places.values(), dtype=np.intp, count=len(places))
        return self.take(distinct), np.searchsorted(distinct, first_of_each)

    def pad(self, indices: NDArray[np.intp], *, pad_token_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pad some rows on the right to the length of the longest.

        Returns:
            Token ids and attention mask, each of shape (rows, tokens).
        """
        lengths = self.lengths[indices, None]
        columns = np.arange(lengths.max())
        inside = columns < lengths
        ids = self.ids.take(self.starts[indices, None] + columns, mode="clip")
        return np.where(inside, ids, pad_token_id), inside.astype(np.int64)


def merge(rows: TokenRows, others: TokenRows, places: NDArray[np.intp]) -> TokenRows:
    """Replace the rows at some places by the first of the others, and append the rest of the others."""

    def merged(values: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
        result = np.concatenate([values, other[len(places) :]])
        result[places] = other[: len(places)]
        return result

    return TokenRows(
        np.concatenate([rows.ids, others.ids]),
        merged(rows.starts, others.starts + len(rows.ids)),
        merged(rows.lengths, others.lengths),
        merged(rows.truncated, others.truncated),
    )
