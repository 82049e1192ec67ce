"""Read input files of any format as blocks of rows."""

from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import pyarrow as pa

from spam_edge.batch.reading.blocks import CHUNK_BYTES, CHUNK_ROWS, Block, Row
from spam_edge.batch.reading.inputs import Input
from spam_edge.batch.reading.parquet import ParquetSource, first_line
from spam_edge.errors import InputError, JobError
from spam_edge.readers.columns import TextKey
from spam_edge.readers.delimited import open_table
from spam_edge.readers.exports import EXPORTS, open_export
from spam_edge.readers.extraction import (
    JSON_BLANKS,
    BadRow,
    CsvRecord,
    Table,
    UnreadableText,
    checked_text,
    json_value,
)
from spam_edge.readers.lines import LineSource
from spam_edge.readers.unpacked import Unpacked
from spam_edge.readers.windows import ReadOptions

JSON_TEXT = "text"
"""Key of a bare JSON string when it is written as an object."""


class Source(Protocol):
    """A reader of one input; the blocks can be read repeatedly.

    Attributes:
        names: column names; for JSON Lines the keys of the first object with a text.
        schema: Arrow schema of a Parquet file, else ``None``.
    """

    names: list[str]
    schema: "pa.Schema | None"

    def blocks(self) -> Iterator[Block]:
        """Read all rows from the beginning.

        Raises:
            InputError: the file is damaged; the message says after how many rows.
        """


def open_source(source: Input, reading: ReadOptions, reserved: Sequence[str]) -> Source:
    """Open a file and check its columns against the ``reserved`` names.

    Raises:
        InputError: the file does not match its format, or has no identifiable text column.
        JobError: a column has a reserved name.
    """
    found: Source
    reading.check_table_options(source.kind, source.name)
    match source.kind:
        case "parquet":
            found = ParquetSource(source, reading.text_column)
        case "jsonl":
            found = JsonSource(source, reading, reserved)
        case _:
            found = TableSource(source, reading)
    _check_names(source.name, found.names, reserved)
    return found


class TableSource:
    """A CSV or TSV file with a header row, or an export of a messenger; every value is text."""

    schema = None

    def __init__(self, source: Input, reading: ReadOptions) -> None:
        """Read the header and choose the text column."""
        self._input, self._reading = source, reading
        with _lines(source, reading) as (lines, _):
            table = self._opened(lines)
        self.names, self._column = table.names, table.column

    def blocks(self) -> Iterator[Block]:
        """Read all records."""
        with _lines(self._input, self._reading) as (lines, raw):
            records = self._opened(lines).records
            yield from _blocks((self._row(record) for record in records if record is not None), raw, self._input)

    def _opened(self, lines: LineSource) -> Table:
        kind, reading = self._input.kind, self._reading
        if kind in EXPORTS:
            return open_export(lines, kind, reading.text_column)
        default = "\t" if kind == "tsv" else ","
        return open_table(
            lines,
            reading.text_column,
            delimiter=reading.delimiter,
            default=default,
            long_cells=reading.long_cells,
        )

    def _row(self, record: CsvRecord | BadRow) -> Row:
        if isinstance(record, BadRow):
            return Row(record.line, None, None, len(record.reason), record)
        size = sum(map(len, record.values)) + len(record.values)
        return Row(record.line, record.values[self._column], record.values, size)


class JsonSource:
    """A JSON Lines file: one object or string per line."""

    schema = None

    def __init__(self, source: Input, reading: ReadOptions, reserved: Sequence[str]) -> None:
        """Read up to the first object with the text, whose keys are the names."""
        self._reserved = reserved
        self._input, self._reading = source, reading
        self.names = self._first_keys()

    def blocks(self) -> Iterator[Block]:
        """Read all lines."""
        with _lines(self._input, self._reading) as (lines, raw):
            yield from _blocks(self._rows(lines), raw, self._input)

    def _first_keys(self) -> list[str]:
        key = TextKey(self._reading.text_column)
        missing: UnreadableText | None = None
        with _lines(self._input, self._reading) as (lines, _):
            for line in lines:
                if lines.take_fault() is None and line.lstrip().startswith("{"):
                    try:
                        names = list(json_value(line))
                    except UnreadableText:
                        continue
                    try:
                        if key.name is None:
                            key.value(dict.fromkeys(names))
                    except UnreadableText as error:
                        missing = missing or error
                    else:
                        return names
        if missing is not None:
            raise InputError(f"{self._input.name}: {missing}") from missing
        return [JSON_TEXT]

    def _rows(self, lines: LineSource) -> Iterator[Row]:
        key = TextKey(self._reading.text_column)  # what a later object decides does not count for an earlier one
        for line in lines:
            if fault := lines.take_fault():
                yield self._bad(lines.number, None, fault.reason, fault.kind)
            elif line.strip():
                yield self._row(line, lines.number, key)

    def _row(self, line: str, number: int, key: TextKey) -> Row:
        known: str | None = None
        try:
            value = json_value(line)
            line = line.strip(JSON_BLANKS)
            if isinstance(value, str):
                checked_text(value)
                return Row(number, value, f'{{"{JSON_TEXT}": {line}}}', len(line))
            if not isinstance(value, dict):
                return self._bad(number, None, f"a JSON {type(value).__name__} is not an object or a string", "json")
            known = line
            _check_names(f"{self._input.name}:{number}", value, self._reserved)
            text = key.value(value)
            return Row(number, None if text is None else checked_text(text), line, len(line))
        except UnreadableText as error:
            return self._bad(number, known, str(error), error.kind)

    def _bad(self, number: int, known: str | None, reason: str, kind: str) -> Row:
        return Row(number, None, known, len(known or reason), BadRow(self._input.name, number, reason, kind))


def _check_names(place: str, names: Container[str], reserved: Sequence[str]) -> None:
    if taken := [name for name in reserved if name in names]:
        raise JobError(f"{place}: column {taken[0]!r} already exists; --column-prefix renames the added columns")


def _blocks(rows: Iterator[Row], raw: "pa.NativeFile", source: Input) -> Iterator[Block]:
    pending: list[Row] = []
    size = total = 0
    try:
        for row in rows:
            pending.append(row)
            size += row.size
            if len(pending) == CHUNK_ROWS or size >= CHUNK_BYTES:
                total += len(pending)
                yield Block(pending, raw.tell())
                pending, size = [], 0
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{source.name} cannot be read beyond {total + len(pending):,} rows ({first_line(error)}); is it complete?"
        ) from error
    if pending:
        yield Block(pending, raw.tell())


@contextmanager
def _lines(source: Input, reading: ReadOptions) -> Iterator[tuple[LineSource, "pa.NativeFile"]]:
    try:
        with source.path.open("rb") as file, pa.PythonFile(file, mode="r") as raw:
            read = raw.read if source.compression is None else _unpacking(raw, source)
            yield LineSource(read, name=source.name, encoding=reading.encoding), file
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{source.name} cannot be read ({first_line(error)}); is it complete?") from error


def _unpacking(raw: "pa.NativeFile", source: Input) -> Callable[[int], bytes]:
    stream, unpacked = pa.CompressedInputStream(raw, source.compression), Unpacked(source.name, source.bytes)

    def read(size: int) -> bytes:
        chunk: bytes = stream.read(size)
        unpacked.add(len(chunk))
        return chunk

    return read
