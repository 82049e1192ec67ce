"""Read messages from files and standard input, a window at a time.

A window is closed when it is full or when the next row is not here yet. So a large file is read in large
windows, which batch well, and a message on a slow pipe gets its verdict at once.
"""

import codecs
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from spam_edge.errors import InputError
from spam_edge.formats import csv_rows, jsonl_rows, parquet_rows, text_rows, whole_rows
from spam_edge.lines import LineSource
from spam_edge.rows import BadRow, Message, Row

FORMATS = ("text", "csv", "tsv", "jsonl", "parquet")
STDIN = Path("-")
WINDOW = 1024
"""Rows in a window at most."""

SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How inputs are read.

    Attributes:
        input_format: one of ``FORMATS``; by default what the suffix says, and text for any other.
        text_column: the column, or the key of a JSON object, that holds the text.
        encoding: how the bytes are to be read; never guessed.
        whole_file: each file is one message.
    """

    input_format: str | None = None
    text_column: str | None = None
    encoding: str = "utf-8"
    whole_file: bool = False

    def __post_init__(self) -> None:
        if self.input_format not in (None, *FORMATS):
            raise ValueError(f"input_format must be one of {', '.join(FORMATS)}, not {self.input_format!r}")
        try:
            codecs.getincrementaldecoder(self.encoding)
            "".encode(self.encoding)
        except (LookupError, UnicodeError, ValueError) as error:
            raise InputError(f"{self.encoding!r} is no text encoding known here; try utf-8 or cp1252") from error

    def format_of(self, path: Path) -> str:
        """Name the format of a file."""
        if self.whole_file:
            return "text"
        return self.input_format or SUFFIXES.get(path.suffix.lower(), "text")


@dataclass(slots=True)
class Window:
    """Rows that were read together, and how many bytes of their file that took."""

    messages: list[Message] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    blank: int = 0
    bytes: int = 0

    def __len__(self) -> int:
        return len(self.messages) + len(self.bad) + self.blank

    def add(self, row: Row) -> None:
        """Put a row where it belongs."""
        if row is None:
            self.blank += 1
        elif isinstance(row, Message):
            self.messages.append(row)
        else:
            self.bad.append(row)


def read_windows(path: Path, options: ReadOptions) -> Iterator[Window]:
    """Read a file, or standard input for ``-``.

    Raises:
        InputError: it cannot be opened or read, is binary, or lacks the column with the text. Windows that
            were handed out before stay valid.
    """
    name = display_name(path)
    try:
        check_readable(path)
        if options.format_of(path) == "parquet":
            yield from _windows(_parquet(path, name, options))
            return
        with _opened(path) as read:
            lines = LineSource(read, name=name, encoding=options.encoding)
            yield from _windows(_rows(lines, path, options), lines)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}") from error


def check_readable(path: Path) -> None:
    """Look at a file without opening it, which a named pipe would not survive.

    Raises:
        InputError: it does not exist, is a folder or may not be read; or standard input is closed.
    """
    if path == STDIN:
        if sys.stdin is None:
            raise InputError("standard input is closed; name a file")
        return
    if not path.exists():
        raise InputError(f"{display_name(path)} does not exist; check the path")
    if path.is_dir():
        raise InputError(f"{display_name(path)} is a folder; name the files in it")
    if not os.access(path, os.R_OK):
        raise InputError(f"{display_name(path)} may not be read; check its permissions")


def size_of(path: Path, options: ReadOptions) -> int | None:
    """Return the bytes that the windows of a file will add up to, or ``None`` where nobody can know."""
    known = path.is_file() and path != STDIN and options.format_of(path) != "parquet"
    return path.stat().st_size if known else None


def display_name(path: Path) -> str:
    """Name an input for people: also where the bytes of its name are no text."""
    return "<stdin>" if path == STDIN else os.fsencode(path).decode("utf-8", "backslashreplace")


def _rows(lines: LineSource, path: Path, options: ReadOptions) -> Iterator[Row]:
    if options.whole_file:
        return whole_rows(lines)
    match options.format_of(path):
        case "csv":
            return csv_rows(lines, options.text_column)
        case "tsv":
            return csv_rows(lines, options.text_column, delimiter="\t")
        case "jsonl":
            return jsonl_rows(lines, options.text_column)
        case _:
            return text_rows(lines)


def _parquet(path: Path, name: str, options: ReadOptions) -> Iterator[Row]:
    if path == STDIN or not path.is_file():
        raise InputError(f"{name} is no regular file; Parquet is read from its end, which a pipe does not allow")
    return parquet_rows(path, name, options.text_column)


def _windows(rows: Iterator[Row], lines: LineSource | None = None) -> Iterator[Window]:
    window, position = Window(), 0
    try:
        for row in rows:
            window.add(row)
            if len(window) == WINDOW or (lines is not None and not lines.ready):
                if lines is not None:
                    window.bytes, position = lines.position - position, lines.position
                yield window
                window = Window()
    except InputError:
        if window:  # these rows were fine
            yield window
        raise
    if window:
        yield window


@contextmanager
def _opened(path: Path) -> Iterator[Callable[[int], bytes]]:
    # read1() returns what there is instead of waiting until the chunk is full.
    if path == STDIN:
        yield cast(io.BufferedReader, sys.stdin.buffer).read1
        return
    with path.open("rb") as stream:
        yield stream.read1
