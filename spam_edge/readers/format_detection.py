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

_FIRST_LINES = 100
"""Lines that are read at most. Chats begin with those on who joined, which have no sender."""
_FEW_LINES = 10
"""Lines in which times and names of a chat are looked for."""
_COMMENTS = re.compile(r"(?:<!--.*?-->\s*+)*+")
_XML = re.compile(r"<(\?xml|smses)\b", re.IGNORECASE)
_HTML = re.compile(r"<(!doctype\b|(html|head|body|svg)(\s+[\w:-]+\s*=[^>]*)?\s*(>\s*(<|$)|$))", re.IGNORECASE)
_MBOX = re.compile(r"From \S+ +\w{3} \w{3} +\d+ \d\d:\d\d.* \d{4}$")
_MAIL_ONLY = (
    r"Return-Path|Delivered-To|Message-ID|MIME-Version|Reply-To|In-Reply-To|User-Agent|Authentication-Results|"
    r"Received-SPF|Feedback-ID|(DKIM|DomainKey|ARC|X|Content|Envelope|List|Thread|Resent|Snapshot)-[A-Za-z0-9-]+"
)
_HEADER = re.compile(rf"({_MAIL_ONLY}|From|To|Cc|Date|Subject|Sender|Received|References):(\s|$)", re.IGNORECASE)
_FOLDED = re.compile(rf"(Received: (from|by|\()|({_MAIL_ONLY}):)", re.IGNORECASE)
"""Headers that go on in an indented line; others before one are text."""
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"\s*+'
_JSON = re.compile(rf"\[?\s*{{\s*{_STRING}:|\[\s*(?:{_STRING},?\s*+)++\]?,?$")
_JSON_LINES = re.compile(r'\{"|\[("|\{\s*("|$)|\[\s*(["\d{\[]|$))')
"""A line that is a bracket, and the beginning of the next one."""
_SQL = re.compile(r"(INSERT INTO|CREATE TABLE( IF NOT EXISTS)?) [\w.`\"\[\]]+ ?(\(|VALUES\b)", re.IGNORECASE)
_SQL_BEFORE = re.compile(r"--(\s|$)|/\*|(PRAGMA|SET|BEGIN|USE|DROP TABLE|LOCK TABLES)\b.*;$", re.IGNORECASE)
_YAML_ITEM = re.compile(r"- [A-Za-z_][\w-]{0,40}:(\s|$)")
_YAML_KEY = re.compile(r"  [A-Za-z_][\w-]{0,40}:(\s|$)")
_FIELD = re.compile(r'"[^"]*"|[\w.#()/-]+( [\w.#()/-]+){0,4}|')
"""A column name: quoted, of a few words, or none."""
_BEFORE_A_TIME = 4
"""Characters in which the time of an export of WhatsApp has its first digit: direction marks and a bracket precede."""
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)[a-z]{0,6}\.?"
_DAY = (
    rf"(?:\d{{1,4}}[./-](?:\d{{1,2}}|{_MONTH})[./-]\d{{1,4}}|\d{{1,2}}\.? {_MONTH},? \d{{2,4}}"
    rf"|{_MONTH} {{1,3}}\d{{1,2}}(?:, \d{{4}})?|\d{{4}}[年년] ?\d{{1,2}}[月월] ?\d{{1,2}}[日일])"
)
_CLOCK = r"(?:오[전후] )?\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?[AaPp]\.?[Mm]\b\.?)?(?:Z|[+-]\d\d:?\d\d)?"
_TIME = rf"(?:{_DAY}(?:,|T|)\s{{0,3}})?{_CLOCK}"
_NAME = r"[^\s:<>\[\]](?:[^:<>\[\]\t]{0,39}[^\s:<>\[\]])? ?:(?=\s|$)"
_NICK = r"<(?=[^<>]*[a-z])(?!(?:[abipu]|br|li|td|tr|em|div|span|center|strong)>)[@+~&% ]?[^\W\d][\w|^`{}\\-]{0,30}>\s"
_SPOKEN = (
    rf"[\[(]{_TIME}[\])]\s{{1,3}}(?:{_NICK}|{_NAME})|{_TIME}\s{{1,3}}{_NICK}|{_TIME}\t[^\t]{{1,40}}\t"
    rf"|\[[^\[\]]{{1,40}}\] \[{_TIME}\] "
)
"""A time and a name, one of them in brackets or in a column, before a text."""
_SAID = rf"(?:{_DAY}|{_TIME})(?:,| -| \||)\s{{1,3}}{_NAME}|{_NICK}"
"""A time and a name, or a name in brackets: a message may begin so, several one after another do not."""
_BARE_TIME = rf"{_DAY},?\s{{1,3}}{_CLOCK}$"
_IN_A_CHAT = 20
"""Characters in which a line of a chat has a digit or a bracket. Most texts have none, so that nothing is compiled."""
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
        lines = map(str.lstrip, islice(ahead, _FEW_LINES)) if first.startswith("<!--") else [first]
        return any(pattern.match(line, _COMMENTS.match(line).end()) for line in lines)  # type: ignore[union-attr]

    return is_like


def _begins(*patterns: str) -> Callable[[_Ahead], bool]:
    """Test whether the first lines match these patterns, one after another."""
    return lambda ahead: all(re.match(pattern, ahead[index]) for index, pattern in enumerate(patterns))


def _is_whatsapp(ahead: _Ahead) -> bool:
    if not any(map(str.isdigit, ahead[0][:_BEFORE_A_TIME])):
        return False
    from spam_edge.readers.whatsapp import begins_chat, begins_message  # noqa: PLC0415 - few texts begin with a digit

    for line in ahead:
        if begins_chat(line):
            return True
        if not begins_message(line):
            return False
    return False


def _is_chat(ahead: _Ahead) -> bool:
    """Whether most of the first lines begin with a time and a name, or one is a time again and again."""
    first = ahead[0]
    if not (first.startswith(("[", "<")) or any(map(str.isdigit, first[:_IN_A_CHAT]))):
        return False
    if re.match(_BARE_TIME, first):
        return any(re.match(_BARE_TIME, line) for line in islice(ahead, 1, _FEW_LINES))
    return _most_are(_SPOKEN, 2, ahead) or _most_are(_SAID, 3, ahead)


def _most_are(pattern: str, enough: int, ahead: _Ahead) -> bool:
    """Whether so many of the first lines match, no fewer than do not. Reads no further than it takes to tell."""
    matching = 0
    for number, line in enumerate(islice(ahead, _FEW_LINES), start=1):
        matching += re.match(pattern, line) is not None
        if matching == enough:
            return True
        if matching * 2 < number:
            return False
    return False


def _is_sql(ahead: _Ahead) -> bool:
    """Whether a statement of a dump comes first, or after comments and settings."""
    for line in islice(ahead, _FEW_LINES * 2):
        if _SQL.match(line):
            return True
        if not _SQL_BEFORE.match(line):
            return False
    return False


def _is_yaml(ahead: _Ahead) -> bool:
    """Whether the first line begins a document and the next an item with a key, or two lines are keys of an item."""
    if ahead[0] == "---":
        return _YAML_ITEM.match(ahead[1]) is not None
    return _YAML_ITEM.match(ahead[0]) is not None and _YAML_KEY.match(ahead[1]) is not None


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
_HTML_REMEDY = "HTML; export the chat as text or JSON, or copy its text into a text file"
_ELEMENT = "(?:div|p|table|section|article|main|header|span|ul|ol|center|font|form|style|script|title|meta|link)"
_CHAT_REMEDY = "a chat or a log with times and names; put its messages into the column text of a CSV file"
_CHAT_TITLES = (
    (r"\[LINE\] \S", r".{1,40}\d{4}[./-]\d"),
    (r".{0,80}(카카오톡 대화|KakaoTalk Chat)", r".{1,40}\d{4}[./-]"),
    (r"={8,}$", r"(Guild|Server|Channel): "),
    (r"Conversation: \S", r"From: ", r"Type: "),
    (r"(--- Log opened|\*{4} BEGIN LOGGING AT|Session Start:) \w{3}",),
)
"""First lines of chats: of LINE, KakaoTalk, Discord, Signal and IRC."""
_TESTS: _Tests = (
    (_is_markup(_XML), "XML; read a backup of SMS Backup & Restore with --input-format sms-xml"),
    (_is_markup(_HTML), _HTML_REMEDY),
    (_begins(rf"\s*<{_ELEMENT}(\s[^>]*)?>$", r"\s*</?[A-Za-z]"), _HTML_REMEDY),
    (_begins(r"BEGIN:V[A-Z]+$"), "vCard, iCalendar or vMessage; put its texts into the column text of a CSV file"),
    (_begins(r"\{\\rtf\d"), "RTF; save it as plain text"),
    (_begins(r"%!PS-Adobe-\d"), "PostScript; copy its text into a text file"),
    (_is_whatsapp, "an export of WhatsApp; read it with --input-format whatsapp"),
    *((_begins(*patterns), _CHAT_REMEDY) for patterns in _CHAT_TITLES),
    (_is_chat, _CHAT_REMEDY),
    *_MAIL_TESTS,
    (_is_sql, "SQL; export the table as CSV"),
    (_is_yaml, "YAML; convert it to JSON Lines"),
    (_is_json, "JSON; read an object per line with --input-format jsonl, an export of Telegram with telegram"),
    (_is_table, "a table; read it with --input-format csv or tsv"),
)
"""Tests of the first lines, and what the file looks like if one is passed."""
