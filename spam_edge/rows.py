"""What a row of any format is, and what of it is the text."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

COLUMN_NAMES = ("text", "message", "sms", "body")
"""Columns that are taken for the text when none is named."""


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
