"""Read Parquet files as blocks of rows."""

import hashlib
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spam_edge.batch.reading.blocks import CHUNK_BYTES, CHUNK_ROWS, Block, Row
from spam_edge.batch.reading.inputs import Input
from spam_edge.errors import InputError
from spam_edge.readers.columns import choose_column
from spam_edge.readers.extraction import BadRow, UnreadableText, cell_text, check_text_column
from spam_edge.readers.formats import PARQUET_BUFFER
from spam_edge.readers.lines import LONGEST_LINE
from spam_edge.readers.pages import BATCH_BYTES, bounded_batches, row_bounds
from spam_edge.readers.parquet_footer import RowGroup, read_row_groups
from spam_edge.readers.unpacked import Unpacked
from spam_edge.text.tokenization import READS


class ParquetSource:
    """A Parquet file, read batch by batch."""

    def __init__(self, source: Input, column: str | None) -> None:
        """Read the footer and the page headers, and choose the text column.

        Raises:
            InputError: the file is not Parquet, has no usable text column, or a page is too large.
        """
        self._input = source
        try:
            with self._opened() as table:
                self.schema = table.schema_arrow
                self._groups = read_row_groups(source.path)
                self._bounds = row_bounds(source.path, source.name, self._groups, table.schema)
                self.names = list(self.schema.names)
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{source.name} cannot be read as Parquet ({first_line(error)}); check the file"
            ) from error
        except UnicodeDecodeError as error:
            raise InputError(f"{source.name}: a column name is not utf-8 ({error}); rename it") from error
        try:
            self._column = choose_column(self.names, column)
            check_text_column(self.schema.field(self._column))
        except UnreadableText as error:
            raise InputError(f"{source.name}: {error}") from error

    def blocks(self) -> Iterator[Block]:
        """Read the file batch by batch.

        Raises:
            InputError: the file is damaged; the message says after how many rows.
        """
        rows = 0
        seals = _RowGroupChecksums(self._input, self._groups)
        total = max(1, sum(group.rows for group in self._groups))
        unpacked = Unpacked(self._input.name, self._input.bytes)
        try:
            with self._opened() as table:
                wanted = self._batch_rows()
                for batch in _collected(bounded_batches(table, self._groups, self._bounds, rows=wanted), wanted):
                    unpacked.add(sum(map(_written_size, batch.columns)))
                    block = self._block(batch, rows)
                    rows += batch.num_rows
                    position = self._input.bytes * rows // total
                    yield Block(block, position, batch, seals.of(rows - batch.num_rows, rows))
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{self._input.name} cannot be read beyond {rows:,} rows ({first_line(error)}); is it complete?"
            ) from error

    def _opened(self) -> Any:
        return pq.ParquetFile(self._input.path, buffer_size=PARQUET_BUFFER, pre_buffer=False)

    def _batch_rows(self) -> int:
        """Return the rows per batch, fewer if the rows are large."""
        largest = max((group.unpacked / max(group.rows, 1) for group in self._groups), default=0)
        return max(1, min(CHUNK_ROWS, int(CHUNK_BYTES * 4 / max(largest, 1))))

    def _block(self, batch: Any, before: int) -> list[Row]:
        size = batch.nbytes // max(batch.num_rows, 1)
        column = batch.column(self._column)
        try:
            if _unpacked(column) > LONGEST_LINE:
                return [self._row(cell, number, size) for number, cell in enumerate(column, start=before + 1)]
            texts = column.to_pylist()
        except UnicodeDecodeError:
            return [self._row(cell, number, size) for number, cell in enumerate(column, start=before + 1)]
        return [Row(number, text, None, size) for number, text in enumerate(texts, start=before + 1)]

    def _row(self, cell: Any, number: int, size: int) -> Row:
        try:
            return Row(number, cell_text(cell)[: READS + 1] if cell.is_valid else None, None, size)
        except UnreadableText as error:
            return Row(number, None, None, size, BadRow(self._input.name, number, str(error), error.kind))


class _RowGroupChecksums:
    """Row-group checksums, over the compressed bytes of all columns."""

    def __init__(self, source: Input, groups: list[RowGroup]) -> None:
        self._input = source
        self._groups = groups
        self._ends = list(accumulate(group.rows for group in groups))
        self._known: dict[int, bytes] = {}

    def of(self, start: int, stop: int) -> bytes:
        """Return the checksums of the row groups that hold rows ``start`` to ``stop``, exclusive."""
        touched = [
            index for index, end in enumerate(self._ends) if end > start and end - self._groups[index].rows < stop
        ]
        self._known = {index: self._known.get(index) or self._digest(index) for index in touched}
        return b"".join(self._known.values())

    def _digest(self, index: int) -> bytes:
        digest = hashlib.sha256()
        with self._input.path.open("rb") as stream:
            for chunk in self._groups[index].chunks:
                stream.seek(chunk.start)
                left = chunk.size
                while left and (piece := stream.read(min(left, PARQUET_BUFFER))):
                    digest.update(piece)
                    left -= len(piece)
        return digest.digest()


def _collected(batches: Iterator[Any], rows: int) -> Iterator[Any]:
    """Join record batches to batches of ``rows`` rows, or fewer if they reach ``BATCH_BYTES``."""
    parts: list[Any] = []
    count = size = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, rows - count)
            start, count, size = start + part.num_rows, count + part.num_rows, size + part.nbytes
            parts.append(part)
            if count == rows or size >= BATCH_BYTES:
                yield from _joined(parts)
                parts, count, size = [], 0, 0
    yield from _joined(parts)


def _joined(parts: list[Any]) -> list[Any]:
    if len(parts) < 2:
        return parts
    try:
        batches: list[Any] = pa.Table.from_batches(parts).combine_chunks().to_batches()
    except pa.ArrowNotImplementedError:  # nested dictionaries
        return parts
    return batches


def _unpacked(column: Any) -> int:
    """Return a bound on the bytes of all texts of a column."""
    return int(column.nbytes * len(column) if pa.types.is_dictionary(column.type) else column.nbytes)


def _written_size(column: Any) -> int:
    """Return about as many bytes as a format without dictionaries takes for a column."""
    if not pa.types.is_dictionary(column.type) or not _is_text(column.type.value_type):
        return int(column.nbytes)
    sizes = pc.binary_length(column.dictionary)
    return pc.sum(pc.take(sizes, column.indices)).as_py() or 0


def _is_text(kind: Any) -> bool:
    return any(getattr(pa.types, f"is_{name}")(kind) for name in ("string", "large_string", "binary", "large_binary"))


def first_line(error: Exception) -> str:
    """Return the first line of an error, which is its reason."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
