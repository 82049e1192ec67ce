"""Readers of labelled messages from local files: UCI text, CSV, JSON Lines and Parquet.

They use the standard library instead of ``datasets``, because errors must name file and line.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spam_edge.errors import InputError
from spam_edge.readers.columns import choose_columns, declared_delimiter, detect_delimiter, has_header
from spam_edge.readers.extraction import UnreadableText
from spam_edge.readers.lines import CHUNK, OLD_MAC
from spam_edge.readers.signatures import check_text
from spam_edge.training.data.messages import DEFAULT_LABEL_MAP, LabelledMessage, to_message

RawRow = tuple[int, object, object]
"""Line number from 1, text, label; not validated."""


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
        rows = [
            to_message(text, label, str(path), line, options.label_map) for line, text, label in reader(path, options)
        ]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    if not rows:
        raise InputError(f"{path}: the file has no messages")
    return rows


def parse_delimited(text: str, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, fields) of each record of delimited text with CSV quoting. Blank lines are skipped.

    Raises:
        InputError: a quotation mark is not closed, or a field exceeds the size limit of ``csv``.
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
        label, tab, text = line.partition("\t")
        if not tab:
            raise InputError(f"{path}, line {number}: no tab; each line must be label, tab, text")
        yield number, text, label


def _read_csv(path: Path, options: CorpusOptions) -> Iterator[RawRow]:
    return _read_table(path, options, ",")


def _read_table(path: Path, options: CorpusOptions, default: str) -> Iterator[RawRow]:
    text = _decode(path, options.encoding)
    number, first = next(_lines(path, options), (0, ""))
    delimiter = declared_delimiter(first)
    if delimiter:
        text = text.replace(first, "", 1)  # a blank line is skipped
    else:
        delimiter = _detect_delimiter(f"{path}, line {number}", first, default)
    records = parse_delimited(text, delimiter, str(path))
    start, header = next(records, (0, []))
    if not header:
        return
    text_index, label_index = _choose(f"{path}, line {start}", header, options)
    for line, fields in records:
        if len(fields) != len(header):
            raise InputError(
                f"{path}, line {line}: {len(fields)} fields where the header has {len(header)}; "
                "quote texts that contain the delimiter"
            )
        yield line, fields[text_index], fields[label_index]


def _read_jsonl(path: Path, options: CorpusOptions) -> Iterator[RawRow]:
    keys: list[str] = []
    for number, line in _lines(path, options):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: not valid JSON ({error}); correct or remove the line") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: not a JSON object; each line must be one object")
        if not keys:  # the first object decides for all
            names = list(row)
            keys = [names[index] for index in _choose(f"{path}, line {number}", names, options)]
        if missing := [key for key in keys if key not in row]:
            raise InputError(f"{path}, line {number}: no key {missing[0]!r}; add it, or remove the line")
        yield number, row[keys[0]], row[keys[1]]


def _read_parquet(path: Path, options: CorpusOptions) -> Iterator[RawRow]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - a slow import, needed for this format only
    from pyarrow.lib import ArrowException  # noqa: PLC0415

    try:
        names = pq.read_schema(path).names
        chosen = [names[index] for index in _choose(str(path), names, options)]
        texts, labels = (pq.read_table(path, columns=[name]).column(0).to_pylist() for name in chosen)
    except ArrowException as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable Parquet file ({reason}); write it again") from error
    for number, (text, label) in enumerate(zip(texts, labels, strict=True), start=1):
        yield number, text, label


def _lines(path: Path, options: CorpusOptions) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of the lines that are not blank."""
    # Only \n ends a line; str.splitlines would also split at U+2028 and similar characters.
    for number, line in enumerate(_decode(path, options.encoding).split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")


def _decode(path: Path, encoding: str) -> str:
    content = path.read_bytes()
    try:
        check_text(content[:CHUNK], str(path), encoding)
        text = content.decode(encoding).lstrip("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not {encoding}; "
            "set the file's encoding with --encoding, for example cp1252"
        ) from error
    except LookupError as error:
        raise InputError(f"unknown encoding {encoding!r}; try utf-8, cp1252 or latin-1") from error
    if "\n" not in text and "\r" in text[:-1]:
        raise InputError(f"{path}: {OLD_MAC}")
    if (found := text.find("\0")) >= 0:
        line = text.count("\n", 0, found) + 1
        raise InputError(f"{path}, line {line}: there is a NUL byte; remove it")
    return text


def _detect_delimiter(place: str, header: str, default: str) -> str:
    try:
        return detect_delimiter(header, default)
    except UnreadableText as error:
        raise InputError(f"{place}: {error}; quote the names of the columns that hold one") from error


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
