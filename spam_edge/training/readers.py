"""Labelled messages from local files: UCI text, CSV, JSON Lines and Parquet.

The readers are plain standard library, not ``datasets``, because an error has to name file and line.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spam_edge.errors import InputError
from spam_edge.training.messages import DEFAULT_LABEL_MAP, Message, to_message

RawRow = tuple[int, object, object]
"""Line number from 1, text, label: not yet checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How local files are understood.

    Attributes:
        text_column: column or JSON key of the message.
        label_column: column or JSON key of the label.
        label_map: label in the file, in lower case -> ``HAM`` or ``SPAM``.
        encoding: encoding of text files; nothing is guessed and nothing is replaced.
    """

    text_column: str = "text"
    label_column: str = "label"
    label_map: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_LABEL_MAP))
    encoding: str = "utf-8"


def read_messages(path: Path, options: ReadOptions) -> list[Message]:
    """Read one file; its suffix decides the format.

    ``.tsv`` and ``.txt`` are the form of the UCI SMS Spam Collection: label, tab, text, no header, and a
    quotation mark is a character like any other. ``.csv`` has a header, ``.jsonl`` one object per line.

    Raises:
        InputError: the file cannot be read in full; the message names file, line and remedy.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: unknown suffix {path.suffix!r}; known are {', '.join(_READERS)}")
    try:
        size = path.stat().st_size
        if size == 0:
            raise InputError(f"{path}: the file is empty (0 bytes)")
        rows = [
            to_message(text, label, str(path), line, options.label_map) for line, text, label in reader(path, options)
        ]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    if not rows:
        raise InputError(f"{path}: holds no messages")
    return rows


def parse_delimited(text: str, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line where the record starts, fields) of delimited text with CSV quoting; blank lines are passed over.

    Raises:
        InputError: a quotation mark is not closed, or a field is absurdly long.
    """
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for fields in records:
            if fields:
                yield start, fields
            start = records.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{name}, line {start}: not valid CSV ({error}); quote the field or double its quotes"
        ) from error


def _read_uci(path: Path, options: ReadOptions) -> Iterator[RawRow]:
    # Only \n ends a line: str.splitlines would also cut messages at U+2028 and the like.
    for number, line in enumerate(_decode(path, options.encoding).split("\n"), start=1):
        content = line.removesuffix("\r")
        if not content.strip():
            continue
        label, tab, text = content.partition("\t")
        if not tab:
            raise InputError(f"{path}, line {number}: no tab; each line must be label, tab, text")
        yield number, text, label


def _read_csv(path: Path, options: ReadOptions) -> Iterator[RawRow]:
    records = parse_delimited(_decode(path, options.encoding), ",", str(path))
    _, header = next(records, (0, []))
    text_index, label_index = (_column(path, header, name) for name in (options.text_column, options.label_column))
    for line, fields in records:
        if len(fields) != len(header):
            raise InputError(
                f"{path}, line {line}: {len(fields)} fields where the header has {len(header)}; quote texts with commas"
            )
        yield line, fields[text_index], fields[label_index]


def _read_jsonl(path: Path, options: ReadOptions) -> Iterator[RawRow]:
    for number, line in enumerate(_decode(path, options.encoding).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: not valid JSON ({error}); correct or remove the line") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: not a JSON object; each line must be one object")
        for key in (options.text_column, options.label_column):
            if key not in row:
                raise InputError(f"{path}, line {number}: no key {key!r}; {_remedy(row)}")
        yield number, row[options.text_column], row[options.label_column]


def _read_parquet(path: Path, options: ReadOptions) -> Iterator[RawRow]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - a big import that only this format needs
    from pyarrow.lib import ArrowException  # noqa: PLC0415

    names = (options.text_column, options.label_column)
    try:
        header = pq.read_schema(path).names
        for name in names:
            _column(path, header, name)
        texts, labels = (pq.read_table(path, columns=[name]).column(0).to_pylist() for name in names)
    except ArrowException as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable Parquet file ({reason}); write it again") from error
    for number, (text, label) in enumerate(zip(texts, labels, strict=True), start=1):
        yield number, text, label


def _decode(path: Path, encoding: str) -> str:
    content = path.read_bytes()
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not {encoding}; "
            "name the file's encoding with --encoding, for example cp1252"
        ) from error
    except LookupError as error:
        raise InputError(f"unknown encoding {encoding!r}; try utf-8, cp1252 or latin-1") from error


def _column(path: Path, header: list[str], name: str) -> int:
    if name not in header:
        raise InputError(f"{path}, line 1: no column {name!r}; {_remedy(header)}")
    return header.index(name)


def _remedy(names: Any) -> str:
    return f"there are {', '.join(map(str, names))}; choose with --text-column and --label-column"


_READERS: Mapping[str, Callable[[Path, ReadOptions], Iterator[RawRow]]] = {
    ".tsv": _read_uci,
    ".txt": _read_uci,
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
