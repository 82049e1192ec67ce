"""Blocks of rows out of Parquet."""

import hashlib
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spam_edge.batch.blocks import CHUNK_BYTES, CHUNK_ROWS, Block, Row
from spam_edge.batch.inputs import Input
from spam_edge.errors import InputError
from spam_edge.rows import BadRow, Unusable, cell_text, choose_column

_BUFFER = 2**20
"""Bytes of a column that are read ahead, instead of all that a row group has of it."""


class ParquetSource:
    """A Parquet file, read batch by batch."""

    def __init__(self, source: Input, column: str | None) -> None:
        """Read the footer."""
        self._input = source
        try:
            with self._opened() as table:
                self.schema = table.schema_arrow
                self._groups = [table.metadata.row_group(index) for index in range(table.metadata.num_row_groups)]
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{source.name} cannot be read as Parquet ({_reason(error)})") from error
        self.names = list(self.schema.names)
        try:
            self._column = choose_column(self.names, column)
            self._check_type(self.schema.field(self._column))
        except Unusable as error:
            raise InputError(f"{source.name}: {error}") from error

    def blocks(self) -> Iterator[Block]:
        """Read the batches."""
        rows = 0
        seals = _Seals(self._input, self._groups)
        total = sum(group.num_rows for group in self._groups)
        try:
            with self._opened() as table:
                for batch in table.iter_batches(batch_size=self._batch_rows(), use_threads=False):
                    block = self._block(batch, rows)
                    rows += batch.num_rows
                    position = self._input.bytes * rows // total
                    yield Block(block, position, batch, seals.of(rows - batch.num_rows, rows))
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{self._input.name} cannot be read further after {rows:,} rows ({_reason(error)}); is it complete?"
            ) from error

    def _opened(self) -> Any:
        return pq.ParquetFile(self._input.path, buffer_size=_BUFFER, pre_buffer=False)

    def _batch_rows(self) -> int:
        """Rows of a batch, fewer where they are large."""
        largest = max((group.total_byte_size / max(group.num_rows, 1) for group in self._groups), default=0)
        return max(1, min(CHUNK_ROWS, int(CHUNK_BYTES * 4 / max(largest, 1))))

    def _block(self, batch: Any, before: int) -> list[Row]:
        size = batch.nbytes // max(batch.num_rows, 1)
        column = batch.column(self._column)
        try:
            texts = column.to_pylist()
        except UnicodeDecodeError:
            return [self._row(cell, number, size) for number, cell in enumerate(column, start=before + 1)]
        return [Row(number, text, None, size) for number, text in enumerate(texts, start=before + 1)]

    def _row(self, cell: Any, number: int, size: int) -> Row:
        try:
            return Row(number, cell_text(cell) if cell.is_valid else None, None, size)
        except Unusable as error:
            return Row(number, None, None, size, BadRow(self._input.name, number, str(error), error.kind))

    def _check_type(self, field: Any) -> None:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            raise Unusable(f"column {field.name!r} holds {field.type}, not text; name another with --text-column")


class _Seals:
    """Digests of the bytes that rows were read from, whatever is in the columns."""

    def __init__(self, source: Input, groups: list[Any]) -> None:
        self._input = source
        self._groups = groups
        self._ends = list(accumulate(group.num_rows for group in groups))
        self._known: dict[int, bytes] = {}

    def of(self, start: int, stop: int) -> bytes:
        """Return the seal of the rows from ``start`` to before ``stop``."""
        touched = [
            index for index, end in enumerate(self._ends) if end > start and end - self._groups[index].num_rows < stop
        ]
        self._known = {index: self._known.get(index) or self._digest(index) for index in touched}
        return b"".join(self._known.values())

    def _digest(self, index: int) -> bytes:
        digest = hashlib.sha256()
        with self._input.path.open("rb") as stream:
            for column in range(self._groups[index].num_columns):
                chunk = self._groups[index].column(column)
                stream.seek(_first_byte(chunk))
                left = chunk.total_compressed_size
                while left and (piece := stream.read(min(left, _BUFFER))):
                    digest.update(piece)
                    left -= len(piece)
        return digest.digest()


def _first_byte(chunk: Any) -> int:
    dictionary = chunk.dictionary_page_offset
    return int(chunk.data_page_offset if dictionary is None else min(dictionary, chunk.data_page_offset))


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
