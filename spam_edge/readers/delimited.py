"""Parse CSV and TSV; broken records become bad rows."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from spam_edge.errors import InputError
from spam_edge.readers.columns import (
    DELIMITERS,
    check_header,
    choose_column,
    declared_delimiter,
    detect_delimiter,
    listed,
)
from spam_edge.readers.extraction import BadRow, CsvRecord, Table, UnreadableText
from spam_edge.readers.lines import LONGEST_LINE, OLD_MAC, Fault, LineSource

MANY_LINES = 20
"""A record of more lines is an error if its lines look like rows: an open quote has probably swallowed them."""
MANY_LINES_OF_TEXT = 100
"""The same for a table of one column. Any text looks like its rows, so more lines are needed."""


def open_table(
    lines: LineSource,
    wanted: str | None,
    *,
    delimiter: str | None = None,
    default: str = ",",
    long_cells: bool = False,
) -> Table:
    """Read the header of a table and choose the text column.

    Args:
        lines: the file.
        wanted: name of the text column, if set.
        delimiter: the delimiter; if None, that of a line ``sep=``, or the one in the header.
        default: the delimiter of the format.
        long_cells: take a record for one, however many of its lines look like records.

    Raises:
        InputError: the header is missing or cannot be read, lacks the delimiter given, or there is no text column.
    """
    given = delimiter
    first = _line_with_text(lines)
    if (declared := declared_delimiter(first)) is not None:
        try:
            delimiter = delimiter or parse_delimiter(declared)
        except InputError as error:
            raise InputError(f"{lines.name}, line {lines.number}: {error}") from error
        first = _line_with_text(lines)
    if delimiter is None and not lines.faulty:
        try:
            delimiter = detect_delimiter(first, default)
        except UnreadableText as error:
            raise InputError(f"{lines.name}, line {lines.number}: {error}; choose one with --delimiter") from error
    if delimiter == "\t":
        _check_header(lines, first, wanted)
    bounded = _Bounded(lines, spaces=", " in first, long_cells=long_cells)
    records = csv.reader(chain([first], bounded), delimiter=delimiter or default, strict=True)
    names = _csv_header(lines, records)
    if given is not None and len(names) == 1:
        missing = DELIMITERS.get(given, repr(given))
        raise InputError(
            f"{lines.name}, line {lines.number}: the header {listed(names)} has no {missing}, which --delimiter names; "
            "name the one of the header, or leave it out"
        )
    try:
        column = choose_column(names, wanted)
    except UnreadableText as error:
        raise InputError(f"{lines.name}: {error}") from error
    body = _csv_body(bounded, records, len(names), delimiter or default)
    return Table(names, column, _without_fragments(bounded, body))


def parse_delimiter(given: str) -> str:
    """Return the delimiter of this name, or the character itself.

    Raises:
        InputError: it cannot separate the fields of a table.
    """
    found = {name: character for character, name in DELIMITERS.items()} | {"\\t": "\t"}
    delimiter = found.get(given.lower(), given)
    if len(delimiter) != 1 or delimiter in '"\r\n\0 \ufeff' or delimiter.isalnum():
        raise InputError(f"{given!r} is no delimiter; give one character, or comma, semicolon, tab or pipe")
    return delimiter


@contextmanager
def long_fields() -> Iterator[None]:
    """Raise the csv module's process-wide field limit from 131,072 characters to the longest line."""
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class _Bounded:
    """The lines of a source, which end a record that grows beyond ``LONGEST_LINE`` characters with a ``csv.Error``.

    The reader of the csv module begins anew after an error.

    Attributes:
        lines: the source.
        spaces: whether a space follows the commas between fields.
        long_cells: whether records of any number of lines are expected.
        count: lines of this record, also those that end with a carriage return.
        alike: lines after its first one that look like records themselves.
        quotes: quotation marks in it.
        length: its characters.
    """

    def __init__(self, lines: LineSource, *, spaces: bool, long_cells: bool) -> None:
        """Wrap the lines of a table; the arguments are the attributes."""
        self.lines, self.spaces, self.long_cells = lines, spaces, long_cells
        self.begin_record("", 0)

    def begin_record(self, delimiter: str, width: int) -> None:
        """Count from here, and compare with records of this delimiter and number of fields."""
        self.count = self.alike = self.quotes = self.length = 0
        self._delimiter, self._width = delimiter, width
        self._spaced = ", " if delimiter == "," and width > 1 and not self.spaces else "\0"  # the commas of sentences

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.length += len(line)
        self.quotes += line.count('"')
        if self.length > LONGEST_LINE:
            raise csv.Error(f"the record is longer than {LONGEST_LINE:,} characters; is a quote not closed?")
        if self.count:
            self.alike += line.count(self._delimiter) - line.count(self._spaced) == self._width - 1
        self.count += 1 + line.count("\r", 0, -2)
        return line

    @property
    def hides(self) -> bool:
        """Whether the record has so many lines that it may hold others."""
        return self.count > (MANY_LINES_OF_TEXT if self._width == 1 else MANY_LINES)

    @property
    def merges(self) -> bool:
        """Whether it may hold others, and most of its lines look like them."""
        return self.hides and not self.long_cells and self.alike >= 0.9 * (self.count - 1)


def _csv_body(
    bounded: _Bounded, records: Iterator[list[str]], width: int, delimiter: str
) -> Iterator[CsvRecord | BadRow | None]:
    lines = bounded.lines
    while True:
        first = lines.number + 1
        bounded.begin_record(delimiter, width)
        try:
            fields = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            yield _broken(bounded, first, error)
            continue
        if fault := lines.take_fault():
            yield BadRow(lines.name, first, fault.reason, fault.kind, hides=bounded.merges)
        elif bounded.merges:
            reason = (
                f"one record has {_span(bounded, first)}, which look like records; is a quote not closed? {_REMEDY}, "
                "or set --long-cells if it is one text"
            )
            yield BadRow(lines.name, first, reason, "quoting", hides=True)
        elif not fields:
            yield None
        elif len(fields) != width:
            reason = f"{len(fields)} fields where the header has {width}"
            reason += f", in {_span(bounded, first)}; is a quote not closed?" if bounded.count > 1 else ""
            yield BadRow(lines.name, first, reason, "fields", hides=bounded.hides)
        else:
            yield CsvRecord(fields, first)


_REMEDY = "Close it, and double quotes that are text"


def _without_fragments(
    bounded: _Bounded, rows: Iterator[CsvRecord | BadRow | None]
) -> Iterator[CsvRecord | BadRow | None]:
    """Hold the rows after a broken record back until the next quotation mark shows that they are no part of it.

    If the broken record has an odd number of quotation marks, its cell may go on in the next lines. It does so if the
    next line with quotation marks has an odd number, too. After a record that is too long, it surely goes on.
    """
    held: list[CsvRecord | BadRow | None] = []
    broken = size = 0
    long = False
    for row in rows:
        odd, size = bounded.quotes % 2 == 1, size + bounded.length
        if broken and odd:
            yield from (_fragment(bounded.lines.name, part, broken) for part in (*held, row))
            held, broken = [], 0
            continue
        if broken and long:
            yield _fragment(bounded.lines.name, row, broken)
            continue
        if broken and (bounded.quotes or len(held) == MANY_LINES_OF_TEXT or size > LONGEST_LINE):
            yield from held
            held, broken = [], 0
        if broken:
            held.append(row)
            continue
        yield row
        if isinstance(row, BadRow) and row.kind == "quoting" and odd:
            broken, size, long = row.line, 0, bounded.length > csv.field_size_limit()
    yield from held


def _fragment(name: str, row: CsvRecord | BadRow | None, broken: int) -> BadRow | None:
    if not isinstance(row, CsvRecord):
        return row
    return BadRow(name, row.line, f"the quotes in line {broken:,} are broken, and its record may go on here", "quoting")


def _broken(bounded: _Bounded, first: int, error: csv.Error) -> BadRow:
    lines = bounded.lines
    unclosed = bounded.count > 1 and "unexpected end of data" in str(error)
    cause = lines.take_fault() or Fault(_csv_reason(error), "quoting")
    reason = cause.reason
    if "new-line character" in reason:  # a carriage return
        reason += f"; perhaps {OLD_MAC}"
    elif bounded.count > 1 and cause.kind == "quoting":
        reason += f" in {_span(bounded, first)}: is a quote not closed? {_REMEDY}"
    return BadRow(lines.name, first, reason, cause.kind, hides=unclosed or bounded.hides)


def _span(bounded: _Bounded, first: int) -> str:
    return f"the lines {first:,} to {bounded.lines.number:,}"


def _line_with_text(lines: LineSource) -> str:
    return next((line for line in lines if line.strip("\r\n")), "")


def _check_header(lines: LineSource, line: str, wanted: str | None) -> None:
    try:
        check_header(line, wanted)
    except UnreadableText as error:
        raise InputError(f"{lines.name}, line {lines.number}: {error}") from error


def _csv_header(lines: LineSource, records: Iterator[list[str]]) -> list[str]:
    try:
        header = next((fields for fields in records if fields), None)
    except csv.Error as error:
        cause = lines.take_fault()
        reason = cause.reason if cause else f"the header row is {_csv_reason(error)}"
        raise InputError(f"{lines.name}: {reason}") from error
    if header is None:
        raise InputError(f"{lines.name} is empty; a header row with column names is required")
    if fault := lines.take_fault():
        raise InputError(f"{lines.name}: {fault.reason}")
    return header


def _csv_reason(error: csv.Error) -> str:
    reason = str(error).split(" - ")[0]  # the rest is advice for callers of the csv module
    return f"invalid CSV ({reason})"
