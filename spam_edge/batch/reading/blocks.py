"""Blocks of rows, and how they are cut into chunks and parts."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from spam_edge.readers.extraction import BadRow
from spam_edge.text.tokenization import READS

CHUNK_ROWS = 1024
CHUNK_BYTES = 2**18
"""A chunk, the unit of work of a worker, ends at whichever limit is reached first."""
PART_BYTES = 2**26


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an input.

    Attributes:
        place: number of its first line, in Parquet of the row; from 1.
        text: the message, or ``None``.
        cells: values of a CSV record or source text of a JSON object; ``None`` for Parquet, whose values are in the
            batch, and if they cannot be read.
        size: approximate size in bytes.
        fault: why the row cannot be classified.
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
        position: bytes of the file read so far.
        batch: the same rows as a pyarrow record batch, for Parquet.
        seal: checksums of the Parquet row groups; empty for other formats.
    """

    rows: Sequence[Row]
    position: int
    batch: Any = None
    seal: bytes = b""

    @property
    def texts(self) -> list[str]:
        """The messages of the rows that have one, as far as they are read and one character more."""
        return [row.text[: READS + 1] for row in self.rows if row.text is not None]

    def slice(self, start: int, stop: int) -> "Block":
        """Return rows ``start`` to ``stop``, exclusive."""
        batch = None if self.batch is None else self.batch.slice(start, stop - start)
        return replace(self, rows=self.rows[start:stop], batch=batch)

    def readable(self) -> "Block":
        """Return the block without its bad rows."""
        kept = [row.fault is None for row in self.rows]
        if all(kept):
            return self
        batch = None if self.batch is None else self.batch.filter(pa.array(kept, type=pa.bool_()))
        return replace(self, rows=[row for row in self.rows if row.fault is None], batch=batch)

    def digest_into(self, digest: "hashlib._Hash") -> None:
        """Add the rows to the checksum of their part."""
        digest.update(self.seal)
        for row in self.rows:
            content = (row.place, row.cells, row.fault and row.fault.reason)
            digest.update(repr(content).encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A block of at most one unit of work, and whether it ends its part."""

    block: Block
    closes_part: bool


def cut(blocks: Iterable[Block], *, part_rows: int) -> Iterator[Chunk]:
    """Cut the blocks of an input into chunks and parts. The cuts depend only on the rows.

    A part ends at ``part_rows`` rows or ``PART_BYTES``. An empty input yields one empty part.
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
