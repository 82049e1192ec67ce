"""Sinks for CSV, TSV and JSON Lines parts. Each part is compressed on its own, so parts can be concatenated."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from spam_edge.batch.reading.blocks import Block
from spam_edge.batch.reading.inputs import Input, compression_of
from spam_edge.batch.writing.columns import Columns, VerdictNames, with_rows, with_verdicts
from spam_edge.batch.writing.files import write_bytes
from spam_edge.batch.writing.tables import flat_batch
from spam_edge.errors import InputError
from spam_edge.escapes import spreadsheet_cell


class TextSink:
    """Base of the text sinks: buffers a part until it is saved."""

    def __init__(
        self,
        output_format: str,
        verdict_names: VerdictNames,
        names: Sequence[str],
        source: Input,
        *,
        spreadsheet_safe: bool = False,
    ) -> None:
        """Open an empty sink for columns of these names."""
        self._buffer = io.BytesIO()
        self._verdict_names, self._names, self._source = verdict_names, names, source
        self._spreadsheet_safe = spreadsheet_safe
        self._compression = compression_of(output_format)
        self._delimiter = "\t" if output_format.startswith("tsv") else ","

    def save(self, path: Path) -> None:
        """Write the file atomically."""
        content = self._buffer.getbuffer()
        with write_bytes(path) as file:
            file.write(content if self._compression is None else pa.compress(content, self._compression, asbytes=True))


class CsvSink(TextSink):
    """Writes CSV or TSV from CSV or TSV rows."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Open an empty sink; the arguments are those of :class:`TextSink`."""
        super().__init__(*arguments, **options)
        self._text = io.TextIOWrapper(self._buffer, encoding="utf-8", newline="", write_through=True)
        self._plain = csv.writer(self._text, delimiter=self._delimiter, lineterminator="\n")
        # With lineterminator="\n" the csv module does not quote "\r", which readers take for the end of a row.
        self._quoted = csv.writer(self._text, delimiter=self._delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def write_header(self) -> None:
        """Write the column names."""
        self._write([*self._names, *self._verdict_names])

    def add(self, block: Block, columns: Columns) -> None:
        """Append rows with their verdicts."""
        for row, label, score, truncated in with_rows(block, columns):
            cells = row.cells if isinstance(row.cells, list) else [""] * len(self._names)
            self._write([*cells, label or "", "" if score is None else str(score), _boolean(truncated, "")])

    def save(self, path: Path) -> None:
        """Write the file atomically."""
        self._text.flush()
        super().save(path)

    def _write(self, values: list[str]) -> None:
        if self._spreadsheet_safe:
            values = [*map(spreadsheet_cell, values)]
        (self._quoted if any("\r" in value for value in values) else self._plain).writerow(values)


class ArrowCsvSink(TextSink):
    """Writes CSV or TSV from Parquet with flat columns; text is quoted to distinguish it from null."""

    def write_header(self) -> None:
        """Write the column names."""
        names = map(spreadsheet_cell if self._spreadsheet_safe else str, (*self._names, *self._verdict_names))
        quoted = ('"{}"'.format(name.replace('"', '""')) for name in names)
        self._buffer.write((self._delimiter.join(quoted) + "\n").encode())

    def add(self, block: Block, columns: Columns) -> None:
        """Append rows with their verdicts."""
        if block.batch is None:
            return
        plain = pa.RecordBatch.from_arrays([*map(_decoded, block.batch.columns)], names=block.batch.schema.names)
        try:
            plain.validate(full=True)
        except pa.ArrowInvalid as error:  # text that is not UTF-8
            raise InputError(
                f"{self._source.name}: rows from {block.rows[0].place} on cannot be written as CSV ({error}); "
                "use --format parquet"
            ) from error
        table = with_verdicts(plain, columns, self._verdict_names)
        if self._spreadsheet_safe:
            table = pa.RecordBatch.from_arrays([*map(_spreadsheet_column, table.columns)], names=table.schema.names)
        style = pyarrow.csv.WriteOptions(include_header=False, delimiter=self._delimiter)
        pyarrow.csv.write_csv(table, self._buffer, style)


class JsonCsvSink(ArrowCsvSink):
    """Writes CSV or TSV from flat JSON Lines, with the keys of the first object as columns."""

    def add(self, block: Block, columns: Columns) -> None:
        """Append rows with their verdicts."""
        super().add(replace(block, batch=flat_batch(block.rows, self._names, self._source)), columns)


class JsonSink(TextSink):
    """Writes JSON Lines; objects from JSON Lines keep their source text."""

    def __init__(self, output_format: str, verdict_names: VerdictNames, names: Sequence[str], source: Input) -> None:
        """Open an empty sink."""
        super().__init__(output_format, verdict_names, names, source)
        self._keys = [json.dumps(name, ensure_ascii=False) for name in verdict_names]

    def add(self, block: Block, columns: Columns) -> None:
        """Append rows with their verdicts."""
        for known, (_, label, score, truncated) in zip(self._objects(block), with_rows(block, columns), strict=True):
            begin = known[:-1].rstrip()
            comma = "" if begin == "{" else ", "
            values = (json.dumps(label, ensure_ascii=False), _number(score), _boolean(truncated, "null"))
            verdict = ", ".join(f"{key}: {value}" for key, value in zip(self._keys, values, strict=True))
            self._buffer.write(f"{begin}{comma}{verdict}}}\n".encode())

    def _objects(self, block: Block) -> Iterator[str]:
        if block.batch is None:
            for row in block.rows:
                yield row.cells if isinstance(row.cells, str) else self._object(row.cells)
            return
        try:
            nested = any(map(pa.types.is_nested, block.batch.schema.types))
            step = 1 if nested else max(block.batch.num_rows, 1)  # lists take many times their size in Python
            for start in range(0, block.batch.num_rows, step):
                for values in block.batch.slice(start, step).to_pylist():
                    yield json.dumps(values, ensure_ascii=False, allow_nan=False)
        except ValueError as error:  # NaN, infinities and binary values have no JSON form
            raise InputError(
                f"{self._source.name}: rows from {block.rows[0].place} on cannot be written as JSON ({error}); "
                "use --format parquet"
            ) from error

    def _object(self, cells: list[str] | None) -> str:
        return "{}" if cells is None else json.dumps(dict(zip(self._names, cells, strict=True)), ensure_ascii=False)


def _number(score: np.float32 | None) -> str:
    # str() of np.float32 gives the shortest digits that round-trip; a Python float would print all 17.
    return "null" if score is None else str(score)


def _boolean(value: bool | None, missing: str) -> str:
    return missing if value is None else "true" if value else "false"


def _decoded(column: Any) -> Any:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _spreadsheet_column(column: Any) -> Any:
    """Apply ``spreadsheet_cell`` to a column of text."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    return pa.array([cell and spreadsheet_cell(cell) for cell in column.to_pylist()], type=column.type)
