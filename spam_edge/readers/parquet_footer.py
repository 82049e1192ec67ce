"""Read from the footer of a Parquet file where the columns of each row group lie.

pyarrow tells it, too, but a damaged footer or an encrypted column ends the process.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from spam_edge.readers.thrift import I32, I64, LIST, STRUCT, Fields, Thrift

FOOTER_BYTES = 2**25
"""Maximum size of a footer in bytes. A thousand row groups of a hundred columns take less."""
_TAIL = 8
"""Bytes behind the footer: its length and a signature."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column of a row group.

    Attributes:
        kind: physical type.
        codec: compression.
        values: number of values.
        start: position of its first page.
        size: size in bytes of all its pages in the file.
    """

    kind: int
    codec: int
    values: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group: number of rows, size in bytes when unpacked, and columns."""

    rows: int
    unpacked: int
    chunks: tuple[Chunk, ...]


def read_row_groups(path: Path) -> list[RowGroup]:
    """Read the row groups from the footer of a file that pyarrow has opened.

    Raises:
        OSError: the footer is too long or damaged, its columns are larger than the file, or a column is encrypted.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _TAIL))
        length = int.from_bytes(stream.read(4), "little")
        if length > min(FOOTER_BYTES, size - _TAIL):
            raise OSError(f"its footer has {length:,} bytes, and {FOOTER_BYTES:,} is the most")
        stream.seek(size - _TAIL - length)
        content = stream.read(length)
    try:
        groups = [_group(fields) for fields in Thrift(content).struct()[4, LIST]]
    except (IndexError, KeyError, TypeError, RecursionError) as error:
        raise OSError("its footer is damaged, or a column is encrypted") from error
    if sum(chunk.size for group in groups for chunk in group.chunks) > size:
        raise OSError("its columns are larger than the file")
    return groups


def _group(fields: Fields) -> RowGroup:
    group = RowGroup(fields[3, I64], fields[2, I64], tuple(_chunk(column[3, STRUCT]) for column in fields[1, LIST]))
    if min(group.rows, group.unpacked) < 0:
        raise IndexError
    return group


def _chunk(fields: Fields) -> Chunk:
    start = min(fields[9, I64], fields.get((11, I64), fields[9, I64]))
    chunk = Chunk(fields[1, I32], fields[4, I32], fields[5, I64], start, fields[7, I64])
    if min(chunk.values, chunk.start, chunk.size) < 0:
        raise IndexError
    return chunk
