"""Read the text file that WhatsApp exports of a chat: a time, a sender and a text, which may have several lines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from spam_edge.errors import InputError
from spam_edge.readers.extraction import BadRow, CsvRecord, Table
from spam_edge.readers.lines import LONGEST_LINE, Fault, LineSource

NAMES = ["time", "sender", "text"]
_SPACE = "[ \u00a0\u202f]"
_BEGIN = re.compile(
    r"[\u200e\u200f\u202a-\u202c]*(\[)?"
    rf"(\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{1,4}},?{_SPACE}(?:\w{{1,3}}{_SPACE})?\d{{1,2}}[:.]\d\d(?:[:.]\d\d)?"
    rf"(?:{_SPACE}?[AaPp]\.?{_SPACE}?[Mm]\.?)?)(?(1)\]| -) (.*)",
    re.DOTALL,
)
"""The beginning of a message: on iPhones the time is in brackets, on Android a dash follows."""
_EXAMPLE = "WhatsApp exports begin like '22/01/2020, 10:00 - Bob: hello'"


def begins_message(line: str) -> bool:
    """Whether a line begins like a message of an export."""
    return _BEGIN.match(line) is not None


def begins_chat(line: str) -> bool:
    """Whether a line is a time, a sender and a text."""
    found = _BEGIN.match(line)
    return found is not None and ": " in found[3]


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
            message = _Message(found[2], [found[3]], lines.number)
            known = known or ": " in found[3] or fault is not None
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
    sender, colon, text = "".join(message.parts).partition(": ")
    if not colon or "\n" in sender or not text.strip():
        return None
    return CsvRecord([message.time, sender, text.replace("\r\n", "\n").rstrip("\n")], message.line)
