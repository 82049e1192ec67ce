"""Bounds on Parquet: the sizes of pages, from their headers, before anything is unpacked.

A page of a few bytes may unpack to gigabytes, and a value that is stored once in a dictionary page may stand in every
row. pyarrow allocates both without a limit.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from spam_edge.errors import InputError

PAGE_BYTES = 2**27
"""Maximum size of an unpacked page in bytes. Writers aim at 1 MiB."""
BATCH_BYTES = 2**26
"""Size in bytes that a record batch of more than one row stays below, apart from nested columns."""

_HEADER_BYTES = (2**12, 2**24)
"""Bytes to read for a page header: usually enough, and the most that pyarrow takes."""
_DATA_PAGES = {0: 5, 3: 8}
"""Page types with rows, and the field of their header that holds the number of values."""


def row_bounds(path: Path, name: str, metadata: Any, column: str | None = None) -> list[int | None]:
    """Return for each row group a bound on the bytes of a row, or ``None`` if a page header cannot be read.

    Args:
        path: the file.
        name: its name in messages.
        metadata: its ``pyarrow.parquet.FileMetaData``.
        column: the only column that will be read; by default all.

    Raises:
        InputError: a page is larger than ``PAGE_BYTES``.
    """
    bounds: list[int | None] = []
    with path.open("rb") as stream:
        for index in range(metadata.num_row_groups):
            group = metadata.row_group(index)
            chunks = [group.column(number) for number in range(group.num_columns)]
            wanted = [chunk for chunk in chunks if column in (None, chunk.path_in_schema)] or chunks
            try:
                bounds.append(sum(_row_bound(stream, chunk, f"{name}: row group {index + 1}") for chunk in wanted))
            except (IndexError, KeyError, TypeError, RecursionError):
                bounds.append(None)
    return bounds


def bounded_batches(table: Any, bounds: list[int | None], *, rows: int, columns: list[str] | None = None) -> Any:
    """Yield the record batches of a ``pyarrow.parquet.ParquetFile``, of at most ``rows`` rows and one row group.

    Args:
        table: the file.
        bounds: result of :func:`row_bounds`.
        rows: maximum number of rows of a batch.
        columns: columns to read; by default all.

    Raises:
        OSError: a page header cannot be read.
    """
    for index, bound in enumerate(bounds):
        if bound is None:
            raise OSError(f"row group {index + 1} has a page header that cannot be read")
        size = max(1, min(rows, BATCH_BYTES // max(bound, 1)))
        yield from table.iter_batches(batch_size=size, row_groups=[index], columns=columns, use_threads=False)


def _row_bound(stream: BinaryIO, chunk: Any, place: str) -> int:
    """Return the largest value that a column chunk can hold, in bytes; numbers count as none."""
    largest = 0
    for size in _page_sizes(stream, chunk):
        if size > PAGE_BYTES:
            raise InputError(
                f"{place}, column {chunk.path_in_schema!r}: a page unpacks to {size:,} bytes, and {PAGE_BYTES:,} is "
                "the most; write the file again with smaller pages"
            )
        largest = max(largest, size)
    return largest if chunk.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY") else 0


def _page_sizes(stream: BinaryIO, chunk: Any) -> Iterator[int]:
    """Yield the unpacked sizes of the pages that pyarrow will read."""
    position, values = first_byte(chunk), 0
    end = position + chunk.total_compressed_size
    while position < end and values < chunk.num_values:
        header, length = _page_header(stream, position)
        unpacked, packed = header[2], header[3]
        if packed < 0 or unpacked < 0:
            raise IndexError
        values += header[_DATA_PAGES[header[1]]][1] if header[1] in _DATA_PAGES else 0
        position += length + packed
        yield unpacked


def first_byte(chunk: Any) -> int:
    """Return the position of the first page of a column chunk."""
    dictionary = chunk.dictionary_page_offset
    return int(chunk.data_page_offset if dictionary is None else min(dictionary, chunk.data_page_offset))


def _page_header(stream: BinaryIO, position: int) -> tuple[dict[int, Any], int]:
    """Return the fields of the page header at a position by their number, and its length."""
    for size in _HEADER_BYTES:
        stream.seek(position)
        reader = _Thrift(stream.read(size))
        try:
            return reader.struct(), reader.position
        except IndexError:  # the header is longer
            continue
    raise IndexError


class _Thrift:
    """Reads a structure of the compact protocol of Thrift, in which Parquet writes its headers.

    The methods raise ``IndexError`` beyond the end of the bytes.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.position = 0

    def struct(self) -> dict[int, Any]:
        """Return the numbers and structures by field number; other fields are skipped."""
        fields: dict[int, Any] = {}
        number = 0
        while kind := self._byte():
            number = number + (kind >> 4) if kind >> 4 else self._number()
            fields[number] = self._value(kind & 15)
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (4, 5, 6):
            return self._number()
        if kind == 12:
            return self.struct()
        self._skip(kind)
        return None

    def _skip(self, kind: int) -> None:
        match kind:
            case 1 | 2:  # a truth value, which is the type itself
                pass
            case 3:
                self._byte()
            case 7:
                self._advance(8)
            case 8:
                self._advance(self._unsigned())
            case 9 | 10:
                self._list()
            case 11:
                self._map()
            case _:
                raise IndexError

    def _list(self) -> None:
        head = self._byte()
        for _ in range(self._unsigned() if head >> 4 == 15 else head >> 4):
            self._element(head & 15)

    def _map(self) -> None:
        if size := self._unsigned():
            kinds = self._byte()
            for kind in chain.from_iterable((kinds >> 4, kinds & 15) for _ in range(size)):
                self._element(kind)

    def _element(self, kind: int) -> None:
        if kind in (1, 2):
            self._byte()
        else:
            self._value(kind)

    def _number(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise IndexError

    def _byte(self) -> int:
        self.position += 1
        return self._content[self.position - 1]

    def _advance(self, length: int) -> None:
        self.position += length
        if self.position > len(self._content):
            raise IndexError
