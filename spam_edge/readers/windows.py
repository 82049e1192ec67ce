"""Read messages from files and standard input, one window at a time.

A window is closed when it is full or when the next row is not buffered. Large files are read in large windows, which
batch well; a message on a slow pipe is classified at once.
"""

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from spam_edge.errors import InputError, OptionError
from spam_edge.readers.delimited import parse_delimiter
from spam_edge.readers.exports import EXPORTS, open_export
from spam_edge.readers.extraction import BadRow, Message, Row
from spam_edge.readers.format_detection import refuse_mail_source, refuse_other_formats
from spam_edge.readers.formats import csv_rows, jsonl_rows, parquet_rows, table_rows, text_rows, whole_rows
from spam_edge.readers.lines import LONGEST_LINE, LineSource, check_encoding

FORMATS = ("text", "csv", "tsv", "jsonl", "parquet", *EXPORTS, "mail")
TABLES = ("csv", "tsv")
STDIN = Path("-")
WINDOW = 1024
"""Maximum number of rows in a window, which also ends at ``LONGEST_LINE`` characters."""

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xml": "sms-xml",
    ".json": "telegram",
    ".eml": "mail",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How inputs are read.

    Attributes:
        input_format: one of ``FORMATS``; by default taken from the suffix, else text.
        text_column: column or JSON key of the text.
        encoding: encoding of the inputs; never guessed.
        delimiter: delimiter of CSV and TSV; by default the one that the header shows.
        long_cells: read a cell of CSV and TSV as one text, however many of its lines look like rows.
        whole_file: read each file as one message; a mail is one anyway.
    """

    input_format: str | None = None
    text_column: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    long_cells: bool = False
    whole_file: bool = False

    def __post_init__(self) -> None:
        if self.input_format not in (None, *FORMATS):
            raise OptionError(f"input_format must be one of {', '.join(FORMATS)}, not {self.input_format!r}")
        check_encoding(self.encoding)
        if self.delimiter is not None:
            object.__setattr__(self, "delimiter", parse_delimiter(self.delimiter))

    def format_of(self, path: Path) -> str:
        """Return the format of a file."""
        chosen = self.input_format or SUFFIXES.get(path.suffix.lower(), "text")
        return "text" if self.whole_file and chosen != "mail" else chosen

    def check_table_options(self, chosen: str, name: str) -> None:
        """Check that a file of this format takes the options of tables that are set.

        Raises:
            InputError: it takes none of them.
        """
        if self.text_column is not None and chosen in ("text", "mail"):
            raise InputError(f"{name}: --text-column is for tables; set --input-format, or leave it out")
        given = "--delimiter" if self.delimiter is not None else "--long-cells" if self.long_cells else None
        if given and chosen not in TABLES:
            raise InputError(f"{name}: {given} is for CSV and TSV; set --input-format csv, or leave it out")


@dataclass(slots=True)
class Window:
    """Rows that were read together, their number of characters, and the number of bytes read for them."""

    messages: list[Message] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    blank: int = 0
    characters: int = 0
    bytes: int = 0

    def __len__(self) -> int:
        return len(self.messages) + len(self.bad) + self.blank

    @property
    def full(self) -> bool:
        """Whether no further row fits."""
        return len(self) == WINDOW or self.characters >= LONGEST_LINE

    def add(self, row: Row) -> None:
        """Append a row to its list."""
        if row is None:
            self.blank += 1
        elif isinstance(row, Message):
            self.messages.append(row)
            self.characters += len(row.text)
        else:
            self.bad.append(row)


def read_windows(path: Path, options: ReadOptions) -> Iterator[Window]:
    """Read the windows of a file, or of standard input for ``-``.

    Raises:
        InputError: the file cannot be opened or read, is binary, or lacks the text column. Windows yielded before
            stay valid.
    """
    name = display_name(path)
    try:
        check_readable(path)
        options.check_table_options(options.format_of(path), name)
        if options.format_of(path) == "parquet":
            yield from _windows(_parquet(path, name, options))
            return
        with _opened(path) as read:
            if options.format_of(path) == "mail":
                from spam_edge.readers.mail import mail_rows  # noqa: PLC0415 - imports the package email

                yield from _windows(mail_rows(read, name=name, encoding=options.encoding))
                return
            lines = LineSource(
                read,
                name=name,
                encoding=options.encoding,
                whole=options.whole_file,
                check=_check_of(path, options),
            )
            yield from _windows(_rows(lines, path, options), lines)
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}") from error


def _check_of(path: Path, options: ReadOptions) -> Callable[[Iterable[str], str], None] | None:
    if options.input_format == "text" or options.format_of(path) != "text":
        return None
    return refuse_mail_source if options.whole_file else refuse_other_formats


def check_readable(path: Path) -> None:
    """Check that a file can be read, without opening it: opening would consume a named pipe.

    Raises:
        InputError: the file does not exist, is a folder or is not readable; or standard input is closed.
    """
    if path == STDIN:
        if sys.stdin is None:
            raise InputError("standard input is closed; name a file")
        return
    if not path.exists():
        remedy = ", or give a message on standard input" if " " in path.name and not path.suffix else ""
        raise InputError(f"{display_name(path)} does not exist; check the path{remedy}")
    if path.is_dir() and (path / "cur").is_dir() and (path / "new").is_dir():
        filled = [display_name(path / part / "*") for part in ("cur", "new") if any((path / part).iterdir())]
        remedy = f"name its mails: --input-format mail {' '.join(filled)}" if filled else "it has no mails"
        raise InputError(f"{display_name(path)} is a Maildir; {remedy}")
    if path.is_dir():
        raise InputError(f"{display_name(path)} is a folder; name the files in it")
    if not os.access(path, os.R_OK):
        raise InputError(f"{display_name(path)} is not readable; check its permissions")


def size_of(path: Path, options: ReadOptions) -> int | None:
    """Return the number of bytes that the windows of a file will add up to, or ``None`` if it is unknown."""
    known = path.is_file() and path != STDIN and options.format_of(path) not in ("parquet", "mail")
    return path.stat().st_size if known else None


def display_name(path: Path) -> str:
    """Return the name of an input for messages; undecodable bytes are escaped."""
    return "<stdin>" if path == STDIN else os.fsencode(path).decode("utf-8", "backslashreplace")


def _rows(lines: LineSource, path: Path, options: ReadOptions) -> Iterator[Row]:
    if options.whole_file:
        return whole_rows(lines)
    match options.format_of(path):
        case "csv" | "tsv" as name:
            return csv_rows(
                lines,
                options.text_column,
                delimiter=options.delimiter,
                default="\t" if name == "tsv" else ",",
                long_cells=options.long_cells,
            )
        case "jsonl":
            return jsonl_rows(lines, options.text_column)
        case name if name in EXPORTS:
            return table_rows(open_export(lines, name, options.text_column), lines.name)
        case "text":
            return text_rows(lines)
        case name:
            raise NotImplementedError(f"no reader for the format {name}")


def _parquet(path: Path, name: str, options: ReadOptions) -> Iterator[Row]:
    if path == STDIN or not path.is_file():
        raise InputError(f"{name} is not a regular file; Parquet is read from its end, save it to a file")
    return parquet_rows(path, name, options.text_column)


def _windows(rows: Iterator[Row], lines: LineSource | None = None) -> Iterator[Window]:
    window, position = Window(), 0
    try:
        for row in rows:
            window.add(row)
            if window.full or (lines is not None and not lines.ready):
                if lines is not None:
                    window.bytes, position = lines.position - position, lines.position
                yield window
                window = Window()
    except InputError:
        if window:  # these rows are valid
            yield window
        raise
    if window:
        yield window


@contextmanager
def _opened(path: Path) -> Iterator[Callable[[int], bytes]]:
    # read1() returns the available bytes instead of blocking until the chunk is full.
    if path == STDIN:
        yield cast(io.BufferedReader, sys.stdin.buffer).read1
        return
    with path.open("rb") as stream:
        yield stream.read1
