"""Rows of each input format: text, CSV, TSV, JSON Lines, Parquet, and whole files.

Each format is a generator of rows. A row is a message, a bad row (with the reason, so that the ones after
it can still be read) or ``None`` for a blank line. What spoils the whole file raises ``InputError``.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spam_edge.errors import InputError
from spam_edge.lines import LONGEST_LINE, LineSource

COLUMN_NAMES = ("text", "message", "sms", "body")
"""Columns that are taken for the text when none is named."""

PARQUET_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Message:
    """One message and where it was found.

    Attributes:
        text: the message.
        file: the file as it was named, or ``<stdin>``.
        line: number of its first line, from 1; in Parquet, which has no lines, of its row.
    """

    text: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read, and why; ``kind`` names the sort of reason, for counting."""

    file: str
    line: int
    reason: str
    kind: str = "encoding"


Row = Message | BadRow | None


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a CSV table, as many values as the header has, and the number of its first line."""

    values: list[str]
    line: int


class Unusable(Exception):
    """Why a row or a header gives no text; it becomes a bad row of that kind or an ``InputError``."""

    def __init__(self, reason: str, kind: str = "text") -> None:
        super().__init__(reason)
        self.kind = kind


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


def csv_records(lines: LineSource, delimiter: str = ",") -> tuple[list[str], Iterator[Record | BadRow | None]]:
    """Return the header of a table and an iterator over its records; ``None`` stands for a blank line.

    Raises:
        InputError: there is no header that can be read.
    """
    records = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _csv_header(lines, records)
    return header, _csv_body(lines, records, len(header))


@contextmanager
def long_fields() -> Iterator[None]:
    """Let CSV fields be as long as lines may be, instead of 131,072 characters; the limit belongs to the process."""
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _csv_body(lines: LineSource, records: Iterator[list[str]], width: int) -> Iterator[Record | BadRow | None]:
    while True:
        first = lines.number + 1
        try:
            fields = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            fault = lines.take_fault()
            yield BadRow(lines.name, first, fault or _csv_reason(error), "encoding" if fault else "quoting")
            continue
        if fault := lines.take_fault():
            yield BadRow(lines.name, first, fault)
        elif not fields:
            yield None
        elif len(fields) != width:
            yield BadRow(lines.name, first, f"{len(fields)} fields where the header has {width}", "fields")
        else:
            yield Record(fields, first)


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


def choose_column(names: Sequence[str], wanted: str | None) -> int:
    """Return the index of the column that holds the text: the one named, the only one, or one of the usual name.

    Raises:
        Unusable: there is none, or more than one; the message names the columns there are.
    """
    if wanted is not None:
        if wanted in names:
            return names.index(wanted)
        raise Unusable(f"there is no column {wanted!r}; --text-column takes one of: {_listed(names)}")
    if len(names) == 1:
        return 0
    found = [index for index, name in enumerate(names) if name.strip().lower() in COLUMN_NAMES]
    if len(found) == 1:
        return found[0]
    problem = "more than one column may hold the text" if found else "no column is known to hold the text"
    raise Unusable(f"{problem}; name one with --text-column, from the first row: {_listed(names)}")


def _csv_header(lines: LineSource, records: Iterator[list[str]]) -> list[str]:
    try:
        header = next((fields for fields in records if fields), None)
    except csv.Error as error:
        raise InputError(f"{lines.name}: the header row is {_csv_reason(error)}") from error
    if header is None:
        raise InputError(f"{lines.name} is empty; a header row that names the columns is needed")
    if fault := lines.take_fault():
        raise InputError(f"{lines.name}: {fault}")
    return header


def _csv_reason(error: csv.Error) -> str:
    reason = str(error).split(" - ")[0]  # the rest is advice to programmers
    return f"not quoted as CSV should be ({reason})"


def json_value(line: str) -> Any:
    """Return what a line of JSON says.

    Raises:
        Unusable: it is no JSON.
    """
    try:
        return json.loads(line.rstrip())
    except json.JSONDecodeError as error:
        raise Unusable(f"broken JSON at column {error.colno} ({error.msg})", "json") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets nested as deep
        raise Unusable(f"JSON that cannot be read ({error})", "json") from error


def checked_text(value: object) -> str:
    """Return the value if it is a text of whole characters.

    Raises:
        Unusable: it is not.
    """
    if not isinstance(value, str):
        raise Unusable(f"the text is {'null' if value is None else type(value).__name__}, not a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unusable("the text holds half of a surrogate pair, which is no character", "encoding") from error
    return value


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


def cell_text(cell: Any) -> str:
    """Return the text in a cell of a pyarrow column.

    Raises:
        Unusable: there is none.
    """
    try:
        return checked_text(cell.as_py())
    except UnicodeDecodeError as error:
        raise Unusable(f"the text is not utf-8 ({error.reason} at byte {error.start + 1})", "encoding") from error


def _listed(names: Sequence[str]) -> str:
    shown = [name if len(name) <= 40 else f"{name[:40]}..." for name in names[:10]]
    return ", ".join(map(repr, shown)) + (", ..." if len(names) > 10 else "")
