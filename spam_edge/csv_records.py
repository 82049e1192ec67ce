"""CSV and TSV: records, whatever their quotes hold, the broken ones as bad rows."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager

from spam_edge.errors import InputError
from spam_edge.lines import LONGEST_LINE, LineSource
from spam_edge.rows import BadRow, Record


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
