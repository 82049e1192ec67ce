"""Rows on their way from a file to the workers, and where parts are cut."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from spam_edge.rows import BadRow

CHUNK_ROWS = 1024
CHUNK_BYTES = 2**18
"""A chunk, the work that a worker takes at a time, is closed at the one or the other."""
PART_BYTES = 2**26


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an input.

    Attributes:
        place: number of its first line, in Parquet of the row; from 1.
        text: the message; ``None`` where there is none.
        cells: the values of a CSV record, the text of a JSON object; ``None`` where they could not be read, and in
            Parquet, where the batch has them.
        size: bytes, about.
        fault: why it cannot be classified.
    """

    place: int
    text: str | None
    cells: list[str] | str | None
    size: int
    fault: BadRow | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of one input.

    Attributes:
        rows: the rows.
        position: bytes of the file that were read so far.
        batch: the same rows as a pyarrow record batch, where they come from Parquet.
        seal: what the rows are checked by beside what they say of themselves.
    """

    rows: Sequence[Row]
    position: int
    batch: Any = None
    seal: bytes = b""

    @property
    def texts(self) -> list[str]:
        """The messages, without the rows that have none."""
        return [row.text for row in self.rows if row.text is not None]

    def slice(self, start: int, stop: int) -> "Block":
        """Return some of the rows."""
        batch = None if self.batch is None else self.batch.slice(start, stop - start)
        return replace(self, rows=self.rows[start:stop], batch=batch)

    def readable(self) -> "Block":
        """Return the rows without those that have a fault."""
        kept = [row.fault is None for row in self.rows]
        if all(kept):
            return self
        batch = None if self.batch is None else self.batch.filter(pa.array(kept, type=pa.bool_()))
        return replace(self, rows=[row for row in self.rows if row.fault is None], batch=batch)

    def digest_into(self, digest: "hashlib._Hash") -> None:
        """Add the rows to the digest of their part."""
        digest.update(self.seal)
        for row in self.rows:
            content = (row.place, row.cells, row.fault and row.fault.reason)
            digest.update(repr(content).encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A block that is small enough for a worker, and whether it is the last of its part."""

    block: Block
    closes_part: bool


def cut(blocks: Iterable[Block], *, part_rows: int) -> Iterator[Chunk]:
    """Cut the blocks of an input into chunks and parts, in a way that depends on the rows alone.

    A part is closed at ``part_rows`` rows or ``PART_BYTES``. There is always at least one, be it empty.
    """
    waiting = Chunk(Block([], 0), closes_part=True)
    rows = size = 0
    for block in blocks:
        start = chunk_size = 0
        for stop, row in enumerate(block.rows, start=1):
            rows, size, chunk_size = rows + 1, size + row.size, chunk_size + row.size
            full = rows == part_rows or size >= PART_BYTES
            if full or chunk_size >= CHUNK_BYTES or stop - start == CHUNK_ROWS or stop == len(block.rows):
                if waiting.block.rows:
                    yield waiting
                waiting = Chunk(block.slice(start, stop), closes_part=full)
                start, chunk_size = stop, 0
            if full:
                rows = size = 0
    yield replace(waiting, closes_part=True)
