"""Row readers of the input formats: text, tables, JSON Lines, Parquet and whole files.

Each reader is a generator of rows. A row is a message, a bad row with its reason, or ``None`` for a blank line.
Reading continues after a bad row. An error of the whole file raises ``InputError``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spam_edge.errors import InputError
from spam_edge.readers.columns import TextKey, choose_column
from spam_edge.readers.delimited import long_fields, open_table
from spam_edge.readers.extraction import (
    BadRow,
    CsvRecord,
    Message,
    Row,
    Table,
    UnreadableText,
    cell_text,
    check_text_column,
    checked_text,
    json_value,
)
from spam_edge.readers.lines import LONGEST_LINE, LineSource
from spam_edge.readers.pages import bounded_batches, row_bounds
from spam_edge.readers.parquet_footer import read_row_groups
from spam_edge.readers.unpacked import Unpacked

PARQUET_BATCH = 1024
PARQUET_BUFFER = 2**20
"""Read buffer per column in bytes; by default pyarrow reads whole column chunks."""


def text_rows(lines: LineSource) -> Iterator[Row]:
    """Read one message per line."""
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        if fault := lines.take_fault():
            yield BadRow(lines.name, lines.number, fault.reason, fault.kind)
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
            reason = f"the file is longer than {LONGEST_LINE:,} characters; split it into messages"
            yield BadRow(lines.name, 1, reason, "length")
            return
    text = "".join(parts).rstrip("\r\n")
    if fault := lines.take_fault():
        yield BadRow(lines.name, 1, fault.reason, fault.kind)
    else:
        yield Message(text, lines.name, 1) if text.strip() else None


def csv_rows(
    lines: LineSource,
    column: str | None,
    *,
    delimiter: str | None = None,
    default: str = ",",
    long_cells: bool = False,
) -> Iterator[Row]:
    """Read a table with a header row; a quoted field may hold newlines. The arguments are those of :func:`open_table`.

    On a pipe, an incomplete multi-line record delays the rows read in the same chunk.
    """
    with long_fields():
        table = open_table(lines, column, delimiter=delimiter, default=default, long_cells=long_cells)
        yield from table_rows(table, lines.name)


def table_rows(table: Table, name: str) -> Iterator[Row]:
    """Read the texts of a table."""
    for record in table.records:
        yield Message(record.values[table.column], name, record.line) if isinstance(record, CsvRecord) else record


def jsonl_rows(lines: LineSource, column: str | None) -> Iterator[Row]:
    """Read one JSON object or JSON string per line."""
    key = TextKey(column)
    for line in lines:
        if fault := lines.take_fault():
            yield BadRow(lines.name, lines.number, fault.reason, fault.kind)
        elif not line.strip():
            yield None
        else:
            try:
                yield Message(_json_text(line, key), lines.name, lines.number)
            except UnreadableText as error:
                yield BadRow(lines.name, lines.number, str(error), error.kind)


def parquet_rows(path: Path, name: str, column: str | None) -> Iterator[Row]:
    """Read the text column of a Parquet file in batches of bounded size.

    Raises:
        InputError: pyarrow is not installed, the file is not Parquet or unpacks to too much, or it lacks a column of
            texts.
    """
    try:
        import pyarrow  # noqa: PLC0415 - optional and slow to import
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise InputError(f"{name}: reading Parquet needs pyarrow; pip install 'spam-edge[batch]'") from error
    try:
        with pyarrow.parquet.ParquetFile(path, buffer_size=PARQUET_BUFFER, pre_buffer=False) as table:
            names = table.schema_arrow.names
            index = choose_column(names, column)
            check_text_column(table.schema_arrow.field(index))
            chosen = names[index]
            unpacked = Unpacked(name, path.stat().st_size)
            number = 0
            groups = read_row_groups(path)
            bounds = row_bounds(path, name, groups, table.schema, chosen)
            for batch in bounded_batches(table, groups, bounds, rows=PARQUET_BATCH, columns=[chosen]):
                for cell in batch.column(0):
                    number += 1
                    row = _parquet_row(cell, name, number)
                    unpacked.add(len(row.text) if isinstance(row, Message) else 0)
                    yield row
    except UnreadableText as error:
        raise InputError(f"{name}: {error}") from error
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{name} cannot be read as Parquet ({str(error).splitlines()[0]}); check the file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: a column name is not utf-8 ({error}); rename it") from error


def _json_text(line: str, key: TextKey) -> str:
    value = json_value(line)
    return checked_text(key.value(value) if isinstance(value, dict) else value)


def _parquet_row(cell: Any, name: str, number: int) -> Row:
    try:
        return Message(cell_text(cell), name, number)
    except UnreadableText as error:
        return BadRow(name, number, str(error), error.kind)
