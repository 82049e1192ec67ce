"""Read the text file that WhatsApp exports of a chat: a time, a sender and a text, which may have several lines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from spam_edge.errors import InputError
from spam_edge.readers.extraction import BadRow, CsvRecord, Table
from spam_edge.readers.lines import LONGEST_LINE, Fault, LineSource

NAMES = ["time", "sender", "text"]
_SPACE = "[ \u00a0\u202f]"
_MARK = "[\u200e\u200f\u202a-\u202e\u2066-\u2069]"
"""A mark of the direction of writing."""
_GAP = f"(?:{_SPACE}|{_MARK})"
_POINT = rf"{_MARK}*(?:\. ?|[/-]){_MARK}*"
_DOTTED = r"\d{4}\. ?\d{1,2}\. ?\d{1,2}\."
_DATE = rf"(?:\d{{1,4}}{_POINT}\d{{1,2}}{_POINT}\d{{1,4}}\.?|\d{{4}}[年년] ?\d{{1,2}}[月월] ?\d{{1,2}}[日일])"
_FOREIGN = r"[^\x00-\x7f\s\d\u2000-\u206f\u060c]"
_DAY_PART = (
    rf"(?:{_FOREIGN}(?:{_FOREIGN}|\.){{0,13}}|[A-Za-z]\.?{_SPACE}?[A-Za-z]\.?|e (?:para|pas)dites|PTG|"
    r"(?:dop|odp|pop|priekšp|pēcp)\.)"
)
"""What stands for AM and PM: a word that is not in Latin letters, two letters, or one of these."""
_DASH = rf"{_SPACE}[-\u2013]"
_CLOCK = rf"(?:{_DAY_PART}{_GAP}*)?\d{{1,2}}[:.]\d\d(?:[:.]\d\d)?(?:{_GAP}*{_DAY_PART})?"
_AFTER_DATE = rf"(?:\(\w{{1,3}}\)|{_GAP}[^\W\d_]{{1,2}}\.)?[,\u060c]?{_GAP}+(?:[^\W\d_]{{1,3}}\.?{_GAP})?"
"""A weekday or "year" if any, a comma if any, and "at" if any."""
_BEGIN = re.compile(
    rf"{_MARK}*(?P<bracket>\[)?"
    rf"(?P<time>(?:(?P<dotted>{_DOTTED})|{_DATE}){_AFTER_DATE}{_CLOCK}|{_CLOCK},?{_GAP}{_DATE})"
    rf"(?(bracket)\]|(?(dotted)(?:,|{_DASH})|{_DASH})){_SPACE}(?P<rest>.*)",
    re.DOTALL,
)
"""The beginning of a message: on iPhones the time is in brackets, on Android a dash follows, in Korea a comma."""
_SENT = re.compile(rf"{_GAP}*+([^\n]*?):(?:{_GAP}|\r?\n|\r?\Z)(.*)", re.DOTALL)
"""A sender and a text."""
_EXAMPLE = "WhatsApp exports begin like '22/01/2020, 10:00 - Bob: hello'"


def begins_message(line: str) -> bool:
    """Whether a line begins like a message of an export."""
    return _BEGIN.match(line) is not None


def begins_chat(line: str) -> bool:
    """Whether a line is a time, a sender and a text."""
    found = _BEGIN.match(line)
    return found is not None and _SENT.match(found["rest"]) is not None


def open_whatsapp(lines: LineSource) -> Table:
    """Read the messages of an export. What WhatsApp itself says, such as who joined, has no sender and is left out.

    Raises:
        InputError: while reading, if the file does not begin like an export, or no message has a sender.
    """
    return Table(NAMES, len(NAMES) - 1, _records(lines))


@dataclass(slots=True)
class _Message:
    time: str
    parts: list[str]
    line: int
    size: int = 0
    fault: Fault | None = None


def _records(lines: LineSource) -> Iterator[CsvRecord | BadRow | None]:
    message: _Message | None = None
    known = False
    for line in lines:
        fault = lines.take_fault()
        if found := _BEGIN.match(line):
            if message is not None:
                yield _record(lines.name, message)
            message = _Message(found["time"], [found["rest"]], lines.number)
            known = known or fault is not None or _SENT.match(found["rest"]) is not None
        elif message is None:
            if fault is None and not line.strip():
                continue
            raise InputError(
                f"{lines.name}, line {lines.number}: {fault.reason if fault else 'no time and sender'}; {_EXAMPLE}"
            )
        elif message.size <= LONGEST_LINE:
            message.parts.append(line)
        message.size += len(line)
        message.fault = message.fault or fault
    if message is not None:
        if not known:
            raise InputError(f"{lines.name}: no message has a sender; {_EXAMPLE}")
        yield _record(lines.name, message)


def _record(name: str, message: _Message) -> CsvRecord | BadRow | None:
    if message.fault:
        return BadRow(name, message.line, message.fault.reason, message.fault.kind)
    if message.size > LONGEST_LINE:
        return BadRow(name, message.line, f"the message is longer than {LONGEST_LINE:,} characters", "length")
    found = _SENT.match("".join(message.parts))
    if found is None:
        if any(map(str.strip, message.parts[1:])):  # WhatsApp itself says one line
            return BadRow(name, message.line, f"the message has no sender; {_EXAMPLE}", "sender")
        return None
    sender, text = found.groups()
    if not text.strip():
        return None
    return CsvRecord([message.time, sender, text.replace("\r\n", "\n").rstrip("\n")], message.line)
