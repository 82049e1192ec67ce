"""Parts of CSV, TSV and JSON Lines. They are compressed one by one, so that a file may be put together from them."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from spam_edge.batch.blocks import Block
from spam_edge.batch.columns import Columns, VerdictNames, beside, with_verdicts
from spam_edge.batch.inputs import Input, compression_of
from spam_edge.batch.writing import write_bytes
from spam_edge.errors import InputError


class TextSink:
    """Holds a part of text until it is saved."""

    def __init__(self, output_format: str, verdict_names: VerdictNames) -> None:
        """Begin with nothing."""
        self._buffer = io.BytesIO()
        self._verdict_names = verdict_names
        self._compression = compression_of(output_format)
        self._delimiter = "\t" if output_format.startswith("tsv") else ","

    def save(self, path: Path) -> None:
        """Write the file, which appears when it is whole."""
        content = self._buffer.getbuffer()
        with write_bytes(path) as file:
            file.write(content if self._compression is None else pa.compress(content, self._compression, asbytes=True))


class CsvSink(TextSink):
    """CSV or TSV out of CSV or TSV."""

    def __init__(self, output_format: str, verdict_names: VerdictNames, names: Sequence[str], *, header: bool) -> None:
        """Begin with the header, if there is to be one."""
        super().__init__(output_format, verdict_names)
        self._width = len(names)
        self._text = io.TextIOWrapper(self._buffer, encoding="utf-8", newline="", write_through=True)
        self._plain = csv.writer(self._text, delimiter=self._delimiter, lineterminator="\n")
        # With this line end the module leaves a carriage return bare, and readers take it for the end of the row.
        self._quoted = csv.writer(self._text, delimiter=self._delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        if header:
            self._write([*names, *verdict_names])

    def add(self, block: Block, columns: Columns) -> None:
        """Take rows with their verdicts."""
        for row, label, score, truncated in beside(block, columns):
            cells = row.cells if isinstance(row.cells, list) else [""] * self._width
            self._write([*cells, label or "", "" if score is None else str(score), _boolean(truncated, "")])

    def save(self, path: Path) -> None:
        """Write the file, which appears when it is whole."""
        self._text.flush()
        super().save(path)

    def _write(self, values: list[str]) -> None:
        (self._quoted if any("\r" in value for value in values) else self._plain).writerow(values)


class ArrowCsvSink(TextSink):
    """CSV or TSV out of Parquet with flat columns; text is quoted, so that it differs from null."""

    def __init__(
        self, output_format: str, verdict_names: VerdictNames, schema: Any, source: Input, *, header: bool
    ) -> None:
        """Begin with the header, if there is to be one."""
        super().__init__(output_format, verdict_names)
        self._name = source.name
        self._style = pyarrow.csv.WriteOptions(include_header=False, delimiter=self._delimiter)
        if header:
            names = (name.replace('"', '""') for name in (*schema.names, *verdict_names))
            self._buffer.write((self._delimiter.join(f'"{name}"' for name in names) + "\n").encode())

    def add(self, block: Block, columns: Columns) -> None:
        """Take rows with their verdicts."""
        if block.batch is not None:
            plain = pa.RecordBatch.from_arrays([*map(_decoded, block.batch.columns)], names=block.batch.schema.names)
            try:
                plain.validate(full=True)
            except pa.ArrowInvalid as error:  # text that is not utf-8
                raise InputError(
                    f"{self._name}: rows from {block.rows[0].place} on do not fit into CSV ({error}); "
                    "use --format parquet"
                ) from error
            pyarrow.csv.write_csv(with_verdicts(plain, columns, self._verdict_names), self._buffer, self._style)


class JsonSink(TextSink):
    """JSON Lines; an object of JSON Lines stays as it was written, character by character."""

    def __init__(self, output_format: str, verdict_names: VerdictNames, names: Sequence[str], source: Input) -> None:
        """Begin with nothing."""
        super().__init__(output_format, verdict_names)
        self._name, self._names = source.name, names
        self._keys = [json.dumps(name, ensure_ascii=False) for name in verdict_names]

    def add(self, block: Block, columns: Columns) -> None:
        """Take rows with their verdicts."""
        for known, (_, label, score, truncated) in zip(self._objects(block), beside(block, columns), strict=True):
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
            for values in block.batch.to_pylist():
                yield json.dumps(values, ensure_ascii=False, allow_nan=False)
        except ValueError as error:  # a number that JSON has not, bytes that are no text
            raise InputError(
                f"{self._name}: rows from {block.rows[0].place} on do not fit into JSON ({error}); use --format parquet"
            ) from error

    def _object(self, cells: list[str] | None) -> str:
        return "{}" if cells is None else json.dumps(dict(zip(self._names, cells, strict=True)), ensure_ascii=False)


def _number(score: np.float32 | None) -> str:
    # As an np.float32 it is written with as few digits as tell it from others; as a float it would have all.
    return "null" if score is None else str(score)


def _boolean(value: bool | None, missing: str) -> str:
    return missing if value is None else "true" if value else "false"


def _decoded(column: Any) -> Any:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
