"""Read the XML file of the Android app SMS Backup & Restore, message by message.

The file is not trusted: a document type, and with it every entity, is refused, and no element grows without limit.
"""

import base64
import codecs
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.parsers import expat

from spam_edge.errors import InputError
from spam_edge.readers.extraction import BadRow, CsvRecord, Table, UnreadableText
from spam_edge.readers.lines import LONGEST_LINE, LineSource
from spam_edge.readers.markup import text_of_html

NAMES = ["time", "address", "type", "text"]
_TYPES = {"1": "received", "2": "sent", "3": "draft", "4": "outbox", "5": "failed", "6": "queued"}
_LOST = "\ufdd0"
"""Stands for what is no character: no file can hold this one."""
_REFERENCES = re.compile(r"(?:&#(?:x[0-9a-fA-F]{1,6}|[0-9]{1,7});)+")
_NUMBER = re.compile(r"&#(x?)(\w+);")
_PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def open_sms_backup(lines: LineSource) -> Table:
    """Read the messages of a backup: SMS, and the texts of MMS.

    Raises:
        InputError: while reading, if the file is no such backup, not well formed or incomplete.
    """
    return Table(NAMES, len(NAMES) - 1, _records(lines))


def _records(lines: LineSource) -> Iterator[CsvRecord | BadRow | None]:
    backup = _Backup(lines)
    for line in lines:
        if (fault := lines.take_fault()) and fault.kind == "length":  # the line was not kept
            raise InputError(f"{lines.name}: {fault.reason}")
        yield from backup.feed(_repaired(line))
    yield from backup.feed("", last=True)
    backup.check_count()


class _Backup:
    """A parser that collects the records of the elements that have ended."""

    def __init__(self, lines: LineSource) -> None:
        self._lines, self._name, self._encoding = lines, lines.name, lines.encoding
        self._found: list[CsvRecord | BadRow | None] = []
        self._waiting: list[str] = []
        self._depth = self._size = self._waited = 0
        self._declared, self._messages = "", 0
        self._mms: tuple[dict[str, str], int] | None = None
        self._parts: list[dict[str, str]] = []
        self._parser = expat.ParserCreate("utf-8")
        self._parser.XmlDeclHandler = self._declare
        self._parser.StartDoctypeDeclHandler = self._refuse_type
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def feed(self, text: str, *, last: bool = False) -> list[CsvRecord | BadRow | None]:
        """Parse more of the file and return the records that are complete.

        The parser begins an open tag anew each time; it gets as much again before, so that the time is linear.
        """
        self._waiting.append(text)
        self._waited += len(text)
        if not last and self._waited < self._size <= LONGEST_LINE:
            return []
        text = "".join(self._waiting)
        self._size += self._waited
        self._waiting, self._waited = [], 0
        try:
            self._parser.Parse(text, last)
        except expat.ExpatError as error:
            reason = expat.errors.messages.get(error.code, "unknown error")
            raise InputError(
                f"{self._name}, line {error.lineno}: the XML is not well formed ({reason}); export it again"
            ) from error
        if self._size > 2 * LONGEST_LINE:
            raise InputError(f"{self._name}: an element is longer than {LONGEST_LINE:,} characters; export it without")
        found, self._found = self._found, []
        return found

    def check_count(self) -> None:
        """Check that the backup has as many messages as it says.

        Raises:
            InputError: it has fewer.
        """
        if re.fullmatch("[0-9]{1,9}", self._declared) and int(self._declared) > self._messages:
            raise InputError(
                f"{self._name} has fewer messages than it says ({self._messages:,} of {int(self._declared):,}); export "
                "it again, or correct its count"
            )

    def _declare(self, _version: str, encoding: str | None, _standalone: int) -> None:
        try:
            declared = codecs.lookup(encoding or "utf-8").name
        except LookupError:
            return
        wide = any(name.startswith(("utf-16", "utf-32")) for name in (declared, codecs.lookup(self._encoding).name))
        if wide or self._lines.marked:  # the declaration could be read, and the mark is right
            return
        if declared != "ascii" and not codecs.lookup(self._encoding).name.startswith(declared):
            raise InputError(f"{self._name} says that its encoding is {encoding}; use --encoding {declared}")

    def _refuse_type(self, *_: object) -> None:
        raise InputError(
            f"{self._name} declares a document type, which no backup does and which may expand without limit; remove it"
        )

    def _start(self, tag: str, values: dict[str, str]) -> None:
        line = self._parser.CurrentLineNumber
        if not self._depth and tag != "smses":
            raise InputError(
                f"{self._name} is XML, but no backup of SMS Backup & Restore (it begins with <{tag}>, not <smses>); "
                "convert it to CSV or JSON Lines with a column text"
            )
        if not self._depth:
            self._declared = values.get("count", "")
        self._depth, self._size = self._depth + 1, 0
        self._messages += tag in ("sms", "mms")
        if tag == "sms":
            self._keep(values.get("type", ""), values, [values.get("body", "")], line)
        elif tag == "mms":
            self._mms, self._parts = (values, line), []
        elif tag == "part" and _content_type(values) in ("text/plain", "text/html"):
            self._parts.append(values)

    def _end(self, tag: str) -> None:
        self._depth, self._size = self._depth - 1, 0
        if tag == "mms" and self._mms is not None:
            values, line = self._mms
            self._mms = None
            try:
                texts = [_value(values, "sub"), *map(_part_text, self._parts)]
            except UnreadableText as error:
                self._found.append(BadRow(self._name, line, str(error), error.kind))
            else:
                self._keep(values.get("msg_box", ""), values, texts, line)

    def _keep(self, kind: str, values: dict[str, str], texts: list[str], line: int) -> None:
        text = "\n".join(filter(None, texts))
        if _LOST in text:
            reason = (
                f"the text has bytes that are not {self._encoding}, or a reference to no character; remove them, or "
                "export it again"
            )
            self._found.append(BadRow(self._name, line, reason, "encoding"))
        elif not text.strip():
            self._found.append(None)
        else:
            found = [_time(values.get("date", "")), values.get("address", ""), _TYPES.get(kind, kind), text]
            self._found.append(CsvRecord([value.replace(_LOST, "\ufffd") for value in found], line))


def _value(values: dict[str, str], name: str) -> str:
    """Return an attribute of an MMS; the app writes ``null`` for a missing one. The body of an SMS is always text."""
    value = values.get(name, "")
    return "" if value == "null" else value


def _content_type(part: dict[str, str]) -> str:
    return part.get("ct", "").partition(";")[0].strip().lower()


def _part_text(part: dict[str, str]) -> str:
    text = _value(part, "text") or _text_of_data(_value(part, "data"))
    if _content_type(part) != "text/html":
        return text
    try:
        return text_of_html(text)
    except UnreadableText as error:
        raise UnreadableText("the HTML of the message has no end; export it again", error.kind) from error


def _text_of_data(data: str) -> str:
    try:
        text = base64.b64decode("".join(data.split()), validate=True).decode()
    except ValueError:
        text = _LOST
    if _NO_CHARACTER.search(text) or _LOST in text:
        raise UnreadableText("the attribute data of the text is not base64 of UTF-8; export it again", "encoding")
    return text


def _time(milliseconds: str) -> str:
    try:
        return datetime.fromtimestamp(int(milliseconds) // 1000, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return milliseconds


def _repaired(line: str) -> str:
    """Return a line without what XML forbids: emoji in two references, which the app writes, and no characters."""
    return _NO_CHARACTER.sub(_LOST, _REFERENCES.sub(_joined, line))


def _joined(run: re.Match[str]) -> str:
    numbers = [int(digits, 16 if hexadecimal else 10) for hexadecimal, digits in _NUMBER.findall(run[0])]
    text = "".join(chr(number) if number <= 0x10FFFF else _LOST for number in numbers)
    text = _NO_CHARACTER.sub(_LOST, _PAIR.sub(_character, text))
    return "".join(f"&#{ord(character)};" for character in text)


def _character(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")
