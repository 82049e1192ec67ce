"""Readers of labelled messages from local files: UCI text, CSV, JSON Lines and Parquet.

They use the readers of the runtime instead of ``datasets``, because errors must name file and line. What is a bad row
at run time is an error here.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from spam_edge.errors import InputError
from spam_edge.readers.columns import choose_columns, declared_delimiter, detect_delimiter, has_header
from spam_edge.readers.delimited import MANY_LINES, long_fields, open_table, parse_delimiter
from spam_edge.readers.extraction import BadRow, Message, Row, UnreadableText, checked_text, json_value
from spam_edge.readers.formats import parquet_rows
from spam_edge.readers.lines import CHUNK, OLD_MAC, LineSource, check_encoding
from spam_edge.readers.signatures import check_text
from spam_edge.training.data.messages import DEFAULT_LABEL_MAP, LabelledMessage, to_message

RawRow = tuple[int, object, object]
"""Line number from 1, text, label; not validated."""

_REMEDIES = {
    "fields": "quote texts that contain the delimiter, with no space before the quotes",
    "length": "split or remove it",
    "quoting": "close the quotes, and double those that are text",
}
"""By the kind of a bad row."""
_ADVICE = re.compile(r"(; give one message per line|[;:] is a quote not closed\?(?!\))).*")
"""Advice of the runtime, which names options that training lacks."""
_IN_BRACKETS = re.compile(r"\(.*\)")
_ROW_AFTER_RETURN = re.compile(r"\r[^\r]*\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusOptions:
    """Options for reading local files.

    Attributes:
        text_column: column or JSON key of the message; by default the one that ``choose_columns`` finds.
        label_column: column or JSON key of the label; by default the one that ``choose_columns`` finds.
        label_map: lower-case label in the file -> ``HAM`` or ``SPAM``.
        encoding: encoding of text files, decoded strictly and never guessed.
    """

    text_column: str | None = None
    label_column: str | None = None
    label_map: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_LABEL_MAP))
    encoding: str = "utf-8"


def read_messages(path: Path, options: CorpusOptions) -> list[LabelledMessage]:
    """Read one file in the format of its suffix.

    ``.csv`` has a header; ``.jsonl`` has one object per line. ``.txt`` is in UCI form: label, tab, text; no header and
    no quoting. ``.tsv`` has a header or is in UCI form; the first line tells.

    Raises:
        InputError: the file is unreadable or has an invalid row; the message names file, line and remedy.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: unknown suffix {path.suffix!r}; supported are {', '.join(_READERS)}")
    try:
        size = path.stat().st_size
        if size == 0:
            raise InputError(f"{path}: the file is empty (0 bytes)")
        with long_fields():  # not in the generators, which an error leaves open
            rows = [
                to_message(text, label, str(path), line, options.label_map)
                for line, text, label in reader(path, options)
            ]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    if not rows:
        raise InputError(f"{path}: the file has no messages")
    return rows


def _read_tsv(path: Path, options: CorpusOptions) -> Iterator[RawRow]:
    number, line = next(_lines(path, options), (0, ""))
    if not line:
        return iter(())
    try:
        header = has_header(line, options.label_map, options.text_column, options.label_column)
    except UnreadableText as error:
        raise InputError(f"{path}, line {number}: {error}") from error
    return _read_table(path, options, "\t") if header else _read_uci(path, options)


def _read_uci(path: Path, options: CorpusOptions) -> Iterator[RawRow]:
    for number, line in _lines(path, options):
        label, tab, text = line.removesuffix("\n").removesuffix("\r").partition("\t")
        if not tab:
            raise InputError(f"{path}, line {number}: no tab; each line must be label, tab, text")
        if _ROW_AFTER_RETURN.search(line):
            raise InputError(f"{path}, line {number}: {OLD_MAC}")
        yield number, text, label


def _read_csv(path: Path, options: CorpusOptions) -> Iterator[RawRow]:
    return _read_table(path, options, ",")


def _read_table(path: Path, options: CorpusOptions, default: str) -> Iterator[RawRow]:
    place, names = _header(path, options, default)
    if not names:
        return
    text, label = _choose(place, [name.strip() for name in names], options)
    for row in open_table(_source(path, options), names[text], default=default).records:
        if isinstance(row, BadRow):
            raise _refusal(row)
        if row:
            yield row.line, row.values[text], row.values[label]


def _header(path: Path, options: CorpusOptions, default: str) -> tuple[str, list[str]]:
    """Return the place of the header and the names of the columns; none if the file is blank."""
    lines = _lines(path, options)
    number, first = next(lines, (0, ""))
    delimiter = _delimiter(f"{path}, line {number}", first, default)
    if declared_delimiter(first) is not None:
        number, first = next(lines, (0, ""))
    place = f"{path}, line {number}"
    try:
        names = next(csv.reader(chain([first], (line for _, line in lines)), delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        reason = OLD_MAC if "new-line" in str(error) else f"not valid CSV ({error}); {_REMEDIES['quoting']}"
        raise InputError(f"{place}: {reason}") from error
    if any(name.count("\n") > MANY_LINES for name in names):
        raise InputError(f"{place}: a column name has more than {MANY_LINES} lines; {_REMEDIES['quoting']}")
    return place, names


def _delimiter(place: str, first: str, default: str) -> str:
    declared = declared_delimiter(first)
    try:
        return detect_delimiter(first, default) if declared is None else parse_delimiter(declared)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
    except UnreadableText as error:
        raise InputError(f"{place}: {error}; quote the names of the columns that hold one") from error


def _read_jsonl(path: Path, options: CorpusOptions) -> Iterator[RawRow]:
    keys: list[str] = []
    for number, line in _lines(path, options):
        try:
            row = json_value(line)
            if not keys and isinstance(row, dict):  # the first object decides for all
                keys = [[*row][index] for index in choose_columns([*row], options.text_column, options.label_column)]
            text, label = _values(row, keys)
        except UnreadableText as error:
            raise _refusal(BadRow(str(path), number, str(error), error.kind)) from error
        yield number, text, label


def _values(row: object, keys: Sequence[str]) -> tuple[object, object]:
    if not isinstance(row, dict):
        raise UnreadableText("not a JSON object; each line must be one object")
    if missing := [key for key in keys if key not in row]:
        raise UnreadableText(f"no key {missing[0]!r}; add it, or remove the line")
    return checked_text(row[keys[0]]), row[keys[1]]


def _read_parquet(path: Path, options: CorpusOptions) -> Iterator[RawRow]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - a slow import, needed for this format only
    from pyarrow.lib import ArrowException  # noqa: PLC0415

    with path.open("rb") as stream:
        try:
            table = pq.ParquetFile(stream)
            names = table.schema_arrow.names
            text, label = _choose(str(path), names, options)
            batches = table.iter_batches(columns=[names[label]])
            cells = (cell for batch in batches for cell in batch.column(0))
            yield from _labelled(parquet_rows(path, str(path), names[text]), cells)
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: a column name is not utf-8 ({error}); rename it") from error
        except (OSError, ValueError, ArrowException) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path}: not a readable Parquet file ({reason}); write it again") from error


def _labelled(rows: Iterable[Row], cells: Iterable[Any]) -> Iterator[RawRow]:
    for row, cell in zip(rows, cells, strict=True):
        if isinstance(row, BadRow):
            raise _refusal(row)
        if isinstance(row, Message):
            try:
                yield row.line, row.text, cell.as_py()
            except UnicodeDecodeError as error:
                raise _refusal(BadRow(row.file, row.line, "the label is not utf-8")) from error


def _lines(path: Path, options: CorpusOptions) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of the lines that are not blank."""
    lines = _source(path, options)
    for line in lines:
        if fault := lines.take_fault():
            raise _refusal(BadRow(lines.name, lines.number, fault.reason, fault.kind))
        if line.strip():
            yield lines.number, line


def _source(path: Path, options: CorpusOptions) -> LineSource:
    content, encoding = path.read_bytes(), options.encoding
    check_encoding(encoding)
    try:
        check_text(content[:CHUNK], str(path), encoding)
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not {encoding}; "
            "set the file's encoding with --encoding, for example cp1252"
        ) from error
    except UnicodeError as error:
        raise InputError(f"{path}: not {encoding} ({error}); set another --encoding") from error
    if (found := text.find("\0")) >= 0:
        line = text.count("\n", 0, found) + 1
        raise InputError(f"{path}, line {line}: there is a NUL byte; remove it")
    return LineSource(io.BytesIO(content).read1, name=str(path), encoding=encoding)


def _refusal(row: BadRow) -> InputError:
    reason = _ADVICE.sub("", row.reason)
    if "; " not in _IN_BRACKETS.sub("", reason):
        reason += f"; {_REMEDIES.get(row.kind, 'correct or remove the row')}"
    return InputError(f"{row.file}, line {row.line}: {reason}")


def _choose(place: str, names: Sequence[str], options: CorpusOptions) -> tuple[int, int]:
    try:
        return choose_columns(names, options.text_column, options.label_column)
    except UnreadableText as error:
        raise InputError(f"{place}: {error}") from error


_READERS: Mapping[str, Callable[[Path, CorpusOptions], Iterator[RawRow]]] = {
    ".tsv": _read_tsv,
    ".txt": _read_uci,
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
