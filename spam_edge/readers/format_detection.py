"""Detect in the first lines of a text that it is a file of another format.

One line is not enough if a message may look like it; the next lines then decide. They are read only if needed, so
that a message on a slow pipe waits for others only if it begins like something else.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from spam_edge.errors import InputError
from spam_edge.readers.columns import COLUMN_NAMES, DELIMITERS, declared_delimiter, is_one_of

_FIRST_LINES = 10
"""Lines that are read at most. Chats begin with a few that have no sender."""
_COMMENTS = re.compile(r"(?:<!--.*?-->\s*+)*+")
_XML = re.compile(r"<(\?xml|smses)\b", re.IGNORECASE)
_HTML = re.compile(r"<(!doctype\b|html(\s+[\w:-]+\s*=[^>]*)?\s*(>\s*(<|$)|$))", re.IGNORECASE)
_MBOX = re.compile(r"From \S+ +\w{3} \w{3} +\d+ \d\d:\d\d.* \d{4}$")
_MAIL_ONLY = (
    r"Return-Path|Delivered-To|Message-ID|MIME-Version|Reply-To|In-Reply-To|User-Agent|Authentication-Results|"
    r"Received-SPF|Feedback-ID|(DKIM|DomainKey|ARC|X|Content|Envelope|List|Thread|Resent)-[A-Za-z0-9-]+"
)
_HEADER = re.compile(rf"({_MAIL_ONLY}|From|To|Cc|Date|Subject|Sender|Received|References):(\s|$)", re.IGNORECASE)
_FOLDED = re.compile(rf"(Received: (from|by|\()|({_MAIL_ONLY}):)", re.IGNORECASE)
"""Headers that go on in an indented line; others before one are text."""
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"\s*+'
_JSON = re.compile(rf"\[?\s*{{\s*{_STRING}:|\[\s*(?:{_STRING},?\s*+)++\]?,?$")
_JSON_LINES = re.compile(r'\{"|\[("|\{\s*("|$)|\[\s*(["\d{\[]|$))')
"""A line that is a bracket, and the beginning of the next one."""
_FIELD = re.compile(r'"[^"]*"|[\w.#()/-]+( [\w.#()/-]+){0,4}|')
"""A column name: quoted, of a few words, or none."""
_BEFORE_A_TIME = "[\u200e\u200f\u202a\u202b\u202c"
"""What may stand before the time at the beginning of a chat."""
SPLIT_MBOX = (
    'python3 -c "import mailbox; '
    "[open(f'{n}.eml', 'wb').write(bytes(m)) for n, m in enumerate(mailbox.mbox('FILE'))]\""
)
"""Command that writes each mail of an mbox to a file of its own."""


def refuse_other_formats(lines: Iterable[str], name: str) -> None:
    """Check that a text file, to be read line by line, does not begin like a file of another format.

    Raises:
        InputError: it does; the message names the format to set.
    """
    _check(lines, name, _TESTS, "for a message per line all the same, --input-format text")


def refuse_mail_source(lines: Iterable[str], name: str) -> None:
    """Check that a file, to be read as one message, is not a mail: its text may be encoded.

    Raises:
        InputError: it is a mail.
    """
    _check(lines, name, _MAIL_TESTS, "for a message of its source, --input-format text")


def _check(lines: Iterable[str], name: str, tests: "_Tests", remedy: str) -> None:
    ahead = _Ahead(lines)
    if found := next((found for is_like, found in tests if is_like(ahead)), None):
        raise InputError(f"{name} looks like {found}; {remedy}")


class _Ahead:
    """The first lines that are not blank, without what ends them; read when they are asked for."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = islice(lines, _FIRST_LINES)
        self._read: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for index in range(_FIRST_LINES):
            if not self[index]:
                return
            yield self[index]

    def __getitem__(self, index: int) -> str:
        """Return a line, or nothing after the last."""
        while len(self._read) <= index and (line := next(self._lines, None)) is not None:
            self._read.append(line.lstrip("\u200e\u200f").rstrip())
        return self._read[index] if index < len(self._read) else ""


def _is_markup(pattern: re.Pattern[str]) -> Callable[[_Ahead], bool]:
    def is_like(ahead: _Ahead) -> bool:
        first = ahead[0].lstrip()
        lines = map(str.lstrip, ahead) if first.startswith("<!--") else [first]
        return any(pattern.match(line, _COMMENTS.match(line).end()) for line in lines)  # type: ignore[union-attr]

    return is_like


def _is_chat(ahead: _Ahead) -> bool:
    if not ahead[0].lstrip(_BEFORE_A_TIME)[:1].isdigit():
        return False
    from spam_edge.readers.whatsapp import begins_chat, begins_message  # noqa: PLC0415 - few texts begin with a digit

    for line in ahead:
        if begins_chat(line):
            return True
        if not begins_message(line):
            return False
    return False


def _is_mbox(ahead: _Ahead) -> bool:
    return _MBOX.match(ahead[0]) is not None


def _is_mail(ahead: _Ahead) -> bool:
    if not _HEADER.match(ahead[0]):
        return False
    folded = ahead[1][:1] in (" ", "\t") and _FOLDED.match(ahead[0]) is not None
    return folded or _HEADER.match(ahead[1]) is not None


def _is_json(ahead: _Ahead) -> bool:
    first = ahead[0].strip()
    if first in ("{", "["):
        return _JSON_LINES.match(first + ahead[1].lstrip()) is not None
    if not first.startswith(("{", "[")) or '"' not in first:
        return False
    try:
        return _JSON.match(first) is not None or isinstance(json.loads(first.rstrip(",")), dict | list)
    except (ValueError, RecursionError):
        return False


def _is_table(ahead: _Ahead) -> bool:
    """Whether the first line is a header with the name of the text, and the next one a row."""
    if declared_delimiter(ahead[0].strip()):
        return True
    return any(_is_header(ahead[0], delimiter) and _is_row(ahead, delimiter) for delimiter in DELIMITERS)


def _is_header(line: str, delimiter: str) -> bool:
    fields = [field.strip() for field in line.split(delimiter)]
    if len(fields) == 1 or not all(map(_FIELD.fullmatch, fields)):
        return False
    quoted = all(field.startswith('"') for field in fields)
    words = [word for field in fields for word in (field.strip('"').split() if quoted else [field.strip('"')])]
    return any(is_one_of(word, COLUMN_NAMES) for word in words)


def _is_row(ahead: _Ahead, delimiter: str) -> bool:
    """Whether the second line has the fields of the first. A comma of a message has a space behind it."""
    header, row = ahead[0], ahead[1]
    if row.count('"') % 2 and re.search(rf'(^|{re.escape(delimiter)}) ?"', row):
        return True  # it goes on in the next line
    spaced = f"{delimiter} "
    if delimiter == "," and spaced not in header:
        row = row.replace(spaced, "")
    return row.count(delimiter) >= header.count(delimiter)


_Tests = Sequence[tuple[Callable[[_Ahead], bool], str]]
_MAIL_TESTS: _Tests = (
    (_is_mbox, f"an mbox; split it into one file per mail: {SPLIT_MBOX}"),
    (_is_mail, "a mail; read it with --input-format mail"),
)
_TESTS: _Tests = (
    (_is_markup(_XML), "XML; read a backup of SMS Backup & Restore with --input-format sms-xml"),
    (_is_markup(_HTML), "HTML; export the chat as text or JSON, or copy its text into a text file"),
    (_is_chat, "an export of WhatsApp; read it with --input-format whatsapp"),
    *_MAIL_TESTS,
    (_is_json, "JSON; read an object per line with --input-format jsonl, an export of Telegram with telegram"),
    (_is_table, "a table; read it with --input-format csv or tsv"),
)
"""Tests of the first lines, and what the file looks like if one is passed."""
