"""Blocks of rows out of a file of any format."""

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import pyarrow as pa

from spam_edge.batch.blocks import CHUNK_BYTES, CHUNK_ROWS, Block, Row
from spam_edge.batch.inputs import Input
from spam_edge.batch.parquet import ParquetSource
from spam_edge.csv_records import csv_records
from spam_edge.errors import InputError, JobError
from spam_edge.lines import LineSource
from spam_edge.records import ReadOptions
from spam_edge.rows import BadRow, Record, Unusable, checked_text, choose_column, json_value

JSON_TEXT = "text"
"""Key that a bare JSON string gets when it becomes an object."""


class Source(Protocol):
    """One input, opened as often as needed.

    Attributes:
        names: its columns; of JSON Lines the keys of the first object.
        schema: their types, where the format has any.
    """

    names: list[str]
    schema: "pa.Schema | None"

    def blocks(self) -> Iterator[Block]:
        """Read from the beginning.

        Raises:
            InputError: the file is damaged; it says how many rows came before.
        """


def open_source(source: Input, reading: ReadOptions, reserved: Sequence[str]) -> Source:
    """Look into a file; it must not have columns of the ``reserved`` names.

    Raises:
        InputError: it is not what it should be, or has no column that is known to hold the text.
        JobError: a name is taken.
    """
    found: Source
    match source.kind:
        case "parquet":
            found = ParquetSource(source, reading.text_column)
        case "jsonl":
            found = JsonSource(source, reading, reserved)
        case _:
            found = CsvSource(source, reading)
    _check_names(source.name, found.names, reserved)
    return found


class CsvSource:
    """A table with a header row; all its columns are text."""

    schema = None

    def __init__(self, source: Input, reading: ReadOptions) -> None:
        """Read the header."""
        self._input, self._reading = source, reading
        self._delimiter = "\t" if source.kind == "tsv" else ","
        with _lines(source, reading) as (lines, _):
            self.names, _records = csv_records(lines, self._delimiter)
        try:
            self._column = choose_column(self.names, reading.text_column)
        except Unusable as error:
            raise InputError(f"{source.name}: {error}") from error

    def blocks(self) -> Iterator[Block]:
        """Read the records."""
        with _lines(self._input, self._reading) as (lines, raw):
            _, records = csv_records(lines, self._delimiter)
            yield from _blocks((self._row(record) for record in records if record is not None), raw, self._input)

    def _row(self, record: Record | BadRow) -> Row:
        if isinstance(record, BadRow):
            return Row(record.line, None, None, len(record.reason), record)
        size = sum(map(len, record.values)) + len(record.values)
        if any("\0" in value for value in record.values):
            fault = BadRow(self._input.name, record.line, "a NUL byte is among the characters", "encoding")
            return Row(record.line, None, None, size, fault)
        return Row(record.line, record.values[self._column], record.values, size)


class JsonSource:
    """One JSON object, or JSON string, per line."""

    schema = None

    def __init__(self, source: Input, reading: ReadOptions, reserved: Sequence[str]) -> None:
        """Read up to the first object, which decides what holds the text."""
        self._reserved = reserved
        self._input, self._reading = source, reading
        self.names = self._first_keys()
        self._key = reading.text_column or self.names[self._choose()]

    def blocks(self) -> Iterator[Block]:
        """Read the lines."""
        with _lines(self._input, self._reading) as (lines, raw):
            yield from _blocks(self._rows(lines), raw, self._input)

    def _first_keys(self) -> list[str]:
        with _lines(self._input, self._reading) as (lines, _):
            for line in lines:
                if lines.take_fault() is None and line.lstrip().startswith("{"):
                    try:
                        return list(json_value(line))
                    except Unusable:
                        continue
        return [JSON_TEXT]

    def _choose(self) -> int:
        try:
            return choose_column(self.names, None)
        except Unusable as error:
            raise InputError(f"{self._input.name}: {error}") from error

    def _rows(self, lines: LineSource) -> Iterator[Row]:
        for line in lines:
            if fault := lines.take_fault():
                yield self._bad(lines.number, None, fault, "encoding")
            elif content := line.strip():
                yield self._row(content, lines.number)

    def _row(self, line: str, number: int) -> Row:
        known: str | None = None
        try:
            value = json_value(line)
            if isinstance(value, str):
                checked_text(value)
                return Row(number, value, f'{{"{JSON_TEXT}": {line}}}', len(line))
            if not isinstance(value, dict):
                return self._bad(number, None, f"a JSON {type(value).__name__} is no object and no text", "json")
            known = line
            _check_names(f"{self._input.name}:{number}", value, self._reserved)
            if self._key not in value:
                return self._bad(number, line, f"the object has no key {self._key!r}", "key")
            text = value[self._key]
            return Row(number, None if text is None else checked_text(text), line, len(line))
        except Unusable as error:
            return self._bad(number, known, str(error), error.kind)

    def _bad(self, number: int, known: str | None, reason: str, kind: str) -> Row:
        return Row(number, None, known, len(known or reason), BadRow(self._input.name, number, reason, kind))


def _check_names(place: str, names: Container[str], reserved: Sequence[str]) -> None:
    if taken := [name for name in reserved if name in names]:
        raise JobError(f"{place}: there is a column {taken[0]!r} already; --column-prefix renames the new ones")


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
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{source.name} cannot be read further after {total + len(pending):,} rows ({reason}); is it complete?"
        ) from error
    if pending:
        yield Block(pending, raw.tell())


@contextmanager
def _lines(source: Input, reading: ReadOptions) -> Iterator[tuple[LineSource, "pa.NativeFile"]]:
    with source.path.open("rb") as file, pa.PythonFile(file, mode="r") as raw:
        stream = raw if source.compression is None else pa.CompressedInputStream(raw, source.compression)
        yield LineSource(stream.read, name=source.name, encoding=reading.encoding, allow_nul=True), file
