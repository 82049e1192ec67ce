"""Row types, and the text of a value."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from spam_edge.readers.lines import LONGEST_LINE


class Message(NamedTuple):
    """A message and its position in a file.

    Attributes:
        text: the message.
        file: file name as given, or ``<stdin>``.
        line: number of its first line, from 1; in Parquet the row number.
    """

    text: str
    file: str
    line: int


class BadRow(NamedTuple):
    """A row that cannot be read.

    Attributes:
        file: as in :class:`Message`.
        line: as in :class:`Message`.
        reason: what is wrong.
        kind: category under which it is counted.
        hides: whether further rows may be lost in it, so that leaving it out would lose them unseen.
    """

    file: str
    line: int
    reason: str
    kind: str = "encoding"
    hides: bool = False


Row = Message | BadRow | None


class CsvRecord(NamedTuple):
    """A record with one value per column, and the number of its first line."""

    values: list[str]
    line: int


class Table(NamedTuple):
    """A table whose header is read.

    Attributes:
        names: column names.
        column: index of the text column.
        records: the records; ``None`` for a blank line.
    """

    names: list[str]
    column: int
    records: Iterator[CsvRecord | BadRow | None]


class UnreadableText(Exception):
    """Raised when a row or header yields no text; becomes a bad row of this kind or an ``InputError``."""

    def __init__(self, reason: str, kind: str = "text") -> None:
        super().__init__(reason)
        self.kind = kind


def json_value(line: str) -> Any:
    """Parse a line of JSON.

    Raises:
        UnreadableText: the line is not valid JSON.
    """
    try:
        return json.loads(line.rstrip(), object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise UnreadableText(f"invalid JSON at column {error.colno} ({error.msg})", "json") from error
    except (ValueError, RecursionError) as error:  # numbers with thousands of digits, deep nesting
        raise UnreadableText(f"unreadable JSON ({error})", "json") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise UnreadableText(f"the object has the key {key!r} twice; remove one", "json")
        found[key] = value
    return found


def checked_text(value: object) -> str:
    """Return the value if it is a string without lone surrogates.

    Raises:
        UnreadableText: the value is not such a string.
    """
    if not isinstance(value, str):
        raise UnreadableText(f"the text is {'null' if value is None else type(value).__name__}, not a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UnreadableText("the text contains a lone surrogate", "encoding") from error
    return value


def cell_text(cell: Any) -> str:
    """Return the text of a cell of a pyarrow column.

    Raises:
        UnreadableText: the cell holds no valid text, or too much of it.
    """
    buffer = getattr(cell, "value", cell).as_buffer() if cell.is_valid else None  # a dictionary's cell has a value
    if buffer is not None and buffer.size > LONGEST_LINE:
        raise UnreadableText(f"the text is longer than {LONGEST_LINE:,} bytes", "length")
    try:
        return checked_text(cell.as_py())
    except UnicodeDecodeError as error:
        raise UnreadableText(f"the text is not utf-8 ({error.reason} at byte {error.start + 1})", "encoding") from error
