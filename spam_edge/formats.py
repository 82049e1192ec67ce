"""Rows of each input format: text, CSV, TSV, JSON Lines, Parquet, and whole files.

Each format is a generator of rows. A row is a message, a bad row (with the reason, so that the ones after
it can still be read) or ``None`` for a blank line. What spoils the whole file raises ``InputError``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spam_edge.csv_records import csv_records
from spam_edge.errors import InputError
from spam_edge.lines import LONGEST_LINE, LineSource
from spam_edge.rows import BadRow, Message, Record, Row, Unusable, cell_text, checked_text, choose_column, json_value

PARQUET_BATCH = 1024


def text_rows(lines: LineSource) -> Iterator[Row]:
    """Read one message per line."""
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        if fault := lines.take_fault():
            yield BadRow(lines.name, lines.number, fault)
        else:
            yield Message(text, lines.name, lines.number) if text.strip() else None


def whole_rows(lines: LineSource) -> Iterator[Row]:
    """Read the whole file as one message."""
    parts: list[str] = []
    size = 0
    for line in lines:
        parts.append(line)
        size += len(line)
        if size > LONGEST_LINE:
            raise InputError(f"{lines.name} is longer than {LONGEST_LINE:,} characters; is it one message?")
    text = "".join(parts).rstrip("\r\n")
    if fault := lines.take_fault():
        yield BadRow(lines.name, 1, fault)
    else:
        yield Message(text, lines.name, 1) if text.strip() else None


def csv_rows(lines: LineSource, column: str | None, delimiter: str = ",") -> Iterator[Row]:
    """Read a table with a header row; a quoted field may hold newlines.

    On a pipe, a record of several lines that has only begun to arrive holds back those read together with it.
    """
    header, records = csv_records(lines, delimiter)
    try:
        index = choose_column(header, column)
    except Unusable as error:
        raise InputError(f"{lines.name}: {error}") from error
    for record in records:
        yield Message(record.values[index], lines.name, record.line) if isinstance(record, Record) else record


def jsonl_rows(lines: LineSource, column: str | None) -> Iterator[Row]:
    """Read one JSON object or JSON string per line."""
    for line in lines:
        if fault := lines.take_fault():
            yield BadRow(lines.name, lines.number, fault)
        elif not line.strip():
            yield None
        else:
            try:
                yield Message(_json_text(line, column), lines.name, lines.number)
            except Unusable as error:
                yield BadRow(lines.name, lines.number, str(error), error.kind)


def parquet_rows(path: Path, name: str, column: str | None) -> Iterator[Row]:
    """Read the text column of a Parquet file, batch by batch; the memory it takes is that of one row group.

    Raises:
        InputError: pyarrow is not installed, the file is no Parquet, or it has no such column of text.
    """
    try:
        import pyarrow  # noqa: PLC0415 - an extra, and slow to import
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise InputError(f"{name}: reading Parquet needs pyarrow; pip install 'spam-edge[batch]'") from error
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            names = table.schema_arrow.names
            chosen = names[choose_column(names, column)]
            number = 0
            for batch in table.iter_batches(batch_size=PARQUET_BATCH, columns=[chosen]):
                for cell in batch.column(0):
                    number += 1
                    yield _parquet_row(cell, name, number)
    except Unusable as error:
        raise InputError(f"{name}: {error}") from error
    except pyarrow.ArrowException as error:
        raise InputError(f"{name} cannot be read as Parquet ({str(error).splitlines()[0]})") from error


def _json_text(line: str, column: str | None) -> str:
    value = json_value(line)
    if isinstance(value, dict):
        names = list(value)
        value = value[names[choose_column(names, column)]]
    return checked_text(value)


def _parquet_row(cell: Any, name: str, number: int) -> Row:
    try:
        return Message(cell_text(cell), name, number)
    except Unusable as error:
        return BadRow(name, number, str(error), error.kind)
