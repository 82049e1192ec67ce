"""Bounds on Parquet: the sizes of pages, from their headers, before anything is unpacked.

A page of a few bytes may unpack to gigabytes, and a value that is stored once in a dictionary page may stand in every
row. One row of a list may hold all values of its row group. pyarrow allocates all this without a limit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from spam_edge.errors import InputError
from spam_edge.readers.parquet_footer import Chunk, RowGroup
from spam_edge.readers.thrift import I32, STRUCT, Fields, Thrift

PAGE_BYTES = 2**27
"""Maximum size of an unpacked page in bytes. Writers aim at 1 MiB."""
BATCH_BYTES = 2**26
"""Size in bytes that a record batch of more than one row stays below, with lists of average length."""
NESTED_BYTES = 2**26
"""Maximum size in bytes of the lists of a row group, or ``NESTED_TIMES`` their size in the file if that is more."""
NESTED_TIMES = 100

_HEADER_BYTES = (2**12, 2**16, 2**20, 2**24)
"""Bytes to read for a page header: usually enough, and more up to the most that pyarrow takes."""
_HEADER_FIELDS = 100
"""Maximum number of fields of a header. Parquet defines fewer than 40."""
_DICTIONARY_PAGE = 2
_VALUES = {0: (5, 1, 2), _DICTIONARY_PAGE: (7, 1, 2), 3: (8, 1, 4)}
"""Page types with values: the field of their header, and its fields with the number of values and their encoding."""
_BY_DICTIONARY = (2, 8)
_BY_PREFIX = 7
"""Encodings in which a value takes less than it unpacks to: as a number, or as what differs from the one before."""
_BYTE_ARRAY, _FIXED_BYTES = 6, 7
"""Physical types of texts."""
_CODECS = {0: None, 1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
"""Names in pyarrow of the compressions of Parquet."""
_BEYOND = 100
"""Bytes that pyarrow may read behind a column, because old writers stated its size without the first header."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What the header of a page says; sizes in bytes.

    Attributes:
        kind: the type of the page.
        values: number of its values.
        encoding: how they are encoded.
        start: position of its content in the file.
        packed: size of the content in the file.
        unpacked: size of the content.
    """

    kind: int
    values: int
    encoding: int
    start: int
    packed: int
    unpacked: int

    @classmethod
    def read(cls, stream: BinaryIO, position: int) -> "_Page":
        """Read the header at a position.

        Raises:
            IndexError, KeyError, RecursionError: it is damaged.
        """
        header, length = _page_header(stream, position)
        kind, unpacked, packed = header[1, I32], header[2, I32], header[3, I32]
        values = encoding = 0
        if kind in _VALUES:
            field, first, second = _VALUES[kind]
            values, encoding = header[field, STRUCT][first, I32], header[field, STRUCT][second, I32]
        page = cls(kind, values, encoding, position + length, packed, unpacked)
        if min(page.values, packed, unpacked) < 0:
            raise IndexError
        return page


def row_bounds(
    path: Path, name: str, groups: list[RowGroup], schema: Any, column: str | None = None
) -> list[int | None]:
    """Return for each row group a bound on the bytes of a row, or ``None`` if a page header cannot be read.

    Of lists, it is the average.

    Args:
        path: the file.
        name: its name in messages.
        groups: its row groups.
        schema: its ``pyarrow.parquet.ParquetSchema``.
        column: the only column that will be read; by default all.

    Raises:
        InputError: a page is larger than ``PAGE_BYTES``, or the lists of a row group than ``NESTED_BYTES``.
    """
    columns = [schema.column(number) for number in range(len(schema))]
    wanted = [number for number, found in enumerate(columns) if column in (None, found.path)]
    lists = [(number, columns[number].path, columns[number].max_repetition_level) for number in wanted]
    with path.open("rb") as stream:
        return [
            _Group(stream, f"{name}: row group {number}", group).row_bound(lists)
            for number, group in enumerate(groups, start=1)
        ]


def bounded_batches(
    table: Any, groups: list[RowGroup], bounds: list[int | None], *, rows: int, columns: list[str] | None = None
) -> Any:
    """Yield the record batches of a ``pyarrow.parquet.ParquetFile``, of at most ``rows`` rows and one row group.

    Args:
        table: the file.
        groups: its row groups.
        bounds: result of :func:`row_bounds`.
        rows: maximum number of rows of a batch.
        columns: columns to read; by default all.

    Raises:
        OSError: a page header cannot be read, or rows are missing.
    """
    for index, (group, bound) in enumerate(zip(groups, bounds, strict=True)):
        if bound is None:
            raise OSError(f"row group {index + 1} has a page header that cannot be read")
        size, left = max(1, min(rows, BATCH_BYTES // max(bound, 1))), group.rows
        for batch in table.iter_batches(batch_size=size, row_groups=[index], columns=columns, use_threads=False):
            left -= batch.num_rows
            yield batch
        if left:  # pyarrow says nothing if a column has none
            raise OSError(f"row group {index + 1} has {left:,} rows fewer than it should")


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group, with its file and its place in messages."""

    stream: BinaryIO
    place: str
    group: RowGroup

    def row_bound(self, columns: list[tuple[int, str, int]]) -> int | None:
        """Return a bound on the bytes of a row, or ``None`` if a header cannot be read.

        Args:
            columns: columns to read: number, name, and number of lists around its values.
        """
        flat = nested = packed = 0
        try:
            for number, name, lists in columns:
                chunk = self.group.chunks[number]
                if lists:
                    nested += self._bytes_of_lists(chunk, name, lists)
                    packed += chunk.size
                else:
                    flat += self._largest_value(chunk, name)
        except (IndexError, KeyError, RecursionError):
            return None
        most = max(NESTED_BYTES, NESTED_TIMES * packed)
        if nested > most:
            raise InputError(
                f"{self.place}: its lists may unpack to {nested:,} bytes, and {most:,} is the most for their size in "
                "the file; write the file again with smaller row groups"
            )
        return flat + nested // max(self.group.rows, 1)

    def _largest_value(self, chunk: Chunk, name: str) -> int:
        """Return a bound on the largest value of a column; numbers count as none."""
        largest = max((page.unpacked for page in self._pages(chunk, name)), default=0)
        return largest if chunk.kind in (_BYTE_ARRAY, _FIXED_BYTES) else 0

    def _bytes_of_lists(self, chunk: Chunk, name: str, lists: int) -> int:
        """Return a bound on the bytes of a column of lists, which one row may hold."""
        size = largest = 0
        for page in self._pages(chunk, name):
            if page.kind == _DICTIONARY_PAGE:
                largest = _largest_entry(self.stream, page, chunk)
                continue
            each = {_BY_PREFIX: page.unpacked}.get(page.encoding, largest * (page.encoding in _BY_DICTIONARY))
            size += page.unpacked + page.values * (16 + 5 * lists + each)  # a value or an offset, levels, list offsets
        return size

    def _pages(self, chunk: Chunk, name: str) -> Iterator[_Page]:
        """Yield the pages that pyarrow will read."""
        for page in pages_of(self.stream, chunk):
            if page.unpacked > PAGE_BYTES:
                raise InputError(
                    f"{self.place}, column {name!r}: a page unpacks to {page.unpacked:,} bytes, and {PAGE_BYTES:,} is "
                    "the most; write the file again with smaller pages"
                )
            yield page


def pages_of(stream: BinaryIO, chunk: Chunk) -> Iterator[_Page]:
    """Yield the pages of a column chunk that pyarrow will read."""
    position, values = chunk.start, 0
    end = position + chunk.size + _BEYOND
    while position < end and values < chunk.values:
        page = _Page.read(stream, position)
        values += 0 if page.kind == _DICTIONARY_PAGE else page.values
        position = page.start + page.packed
        yield page


def _largest_entry(stream: BinaryIO, page: _Page, chunk: Chunk) -> int:
    """Return the size of the largest value in a dictionary page, or that of the page if it cannot be unpacked."""
    if chunk.kind != _BYTE_ARRAY:
        return page.unpacked // max(page.values, 1)
    import pyarrow  # noqa: PLC0415 - optional and slow to import

    stream.seek(page.start)
    content = stream.read(page.packed)
    try:
        if codec := _CODECS[chunk.codec]:
            content = pyarrow.decompress(content, page.unpacked, codec, asbytes=True)
    except (KeyError, OSError, pyarrow.ArrowException):
        return page.unpacked
    largest = place = 0
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "little")
        largest, place = max(largest, size), place + 4 + size
    return min(largest, page.unpacked)


def _page_header(stream: BinaryIO, position: int) -> tuple[Fields, int]:
    """Return the fields of the page header at a position, and its length."""
    for size in _HEADER_BYTES:
        stream.seek(position)
        reader = Thrift(stream.read(size), most_fields=_HEADER_FIELDS)
        try:
            return reader.struct(), reader.position
        except IndexError:  # the header is longer
            continue
    raise IndexError
