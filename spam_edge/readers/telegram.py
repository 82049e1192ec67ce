"""Read the JSON file that Telegram Desktop exports, of one chat or of all, message by message.

The file is one JSON value. Only the objects under the keys ``messages`` are parsed, so that memory stays bounded.
"""

import re
from collections.abc import Iterator
from typing import Any

from spam_edge.errors import InputError
from spam_edge.readers.extraction import BadRow, CsvRecord, Table, UnreadableText, checked_text, json_value
from spam_edge.readers.lines import LONGEST_LINE, Fault, LineSource

NAMES = ["time", "sender", "text"]
_TOKEN = re.compile(r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+(?P<closed>")?|[{}\[\]:,]|[^\s{}\[\]:,"]++')
_DEEPEST = 100
_REMEDY = (
    "is no JSON export of Telegram. For an object per line, set --input-format jsonl; split an array with: python3 -c "
    '\'import json; [print(json.dumps(row)) for row in json.load(open("FILE", encoding="utf-8-sig"))]\' > NEW.jsonl'
)


def open_telegram(lines: LineSource) -> Table:
    """Read the messages of an export. Those without a text, such as photos and who joined, are left out.

    Raises:
        InputError: while reading, if the file is no export or ends too soon.
    """
    return Table(NAMES, len(NAMES) - 1, _records(lines))


def _records(lines: LineSource) -> Iterator[CsvRecord | BadRow | None]:
    scanner = _Scanner(lines)
    known = False
    for source, number, fault in scanner.messages():
        if fault is not None:
            yield BadRow(lines.name, number, fault.reason, fault.kind)
            continue
        try:
            message = json_value(source)
            if not known and "text" not in message:
                raise InputError(f"{lines.name} {_REMEDY}")
            known = True
            yield _record(message, number)
        except UnreadableText as error:
            yield BadRow(lines.name, number, str(error), error.kind)
    scanner.check_end()


class _Scanner:
    """Finds the source texts of the messages by the brackets and keys around them."""

    def __init__(self, lines: LineSource) -> None:
        self._lines = lines
        self._open: list[str] = []  # brackets
        self._keys: list[str] = []  # the latest key in each of them
        self._string = ""
        self._begun: list[str] | None = None  # pieces of the message
        self._size = self._number = self._level = 0
        self._fault: Fault | None = None
        self._lists = 0
        self._ended = False

    def messages(self) -> Iterator[tuple[str, int, Fault | None]]:
        """Yield the source of each message, the number of its first line, and what is wrong with its lines."""
        for line in self._lines:
            if fault := self._lines.take_fault():
                if self._begun is None or fault.kind in ("length", "line ends"):
                    raise InputError(f"{self._lines.name}: {fault.reason}")
                self._fault = self._fault or fault
            yield from self._scan(line)

    def _scan(self, line: str) -> Iterator[tuple[str, int, Fault | None]]:
        start = 0
        for token in _TOKEN.finditer(line):
            self._check_place(token)
            if self._in_list and token[0] not in "{],":
                yield "", self._lines.number, Fault("an item of the messages is no object", "json")
            match token[0]:
                case "{" | "[" as bracket if self._descend(bracket):
                    start = token.start()
                case "}" | "]" as bracket if self._ascend(bracket):
                    yield self._finished(line[start : token.end()])
                case ":":
                    self._keys[-1:] = [self._string]
                case string if string[0] == '"':
                    self._string = string
        if self._begun is not None:
            self._keep(line[start:])

    @property
    def _in_list(self) -> bool:
        """Whether the next object is a message."""
        return self._begun is None and self._open[-1:] == ["["] and self._keys[-2:-1] == ['"messages"']

    def _check_place(self, token: re.Match[str]) -> None:
        if token[0][0] == '"' and not token["closed"]:
            raise InputError(f"{self._lines.name}, line {self._lines.number}: a string has no end; export it again")
        if self._ended:
            reason = (
                f", line {self._lines.number}: there is text after the end of the JSON"
                if self._lists
                else f" {_REMEDY}"
            )
            raise InputError(f"{self._lines.name}{reason}")

    def check_end(self) -> None:
        """Check that the file is a complete export.

        Raises:
            InputError: it is not.
        """
        if self._open:
            raise InputError(f"{self._lines.name}: the JSON ends too soon; is the file complete?")
        if not self._lists:
            raise InputError(f"{self._lines.name} {_REMEDY}")

    def _descend(self, bracket: str) -> bool:
        """Enter a bracket; return whether a message begins with it."""
        begins = bracket == "{" and self._in_list
        self._lists += bracket == "[" and bool(self._keys) and self._keys[-1] == '"messages"'
        self._open.append(bracket)
        self._keys.append("")
        if len(self._open) > _DEEPEST:
            raise InputError(f"{self._lines.name}, line {self._lines.number}: the JSON is nested too deeply")
        if not begins:
            return False
        self._begun, self._size, self._number, self._level = [], 0, self._lines.number, len(self._open)
        return True

    def _ascend(self, bracket: str) -> bool:
        """Leave a bracket; return whether a message ends with it."""
        if not self._open or self._open.pop() + bracket not in ("{}", "[]"):
            raise InputError(f"{self._lines.name}, line {self._lines.number}: invalid JSON; export it again")
        self._keys.pop()
        self._ended = not self._open
        return self._begun is not None and len(self._open) == self._level - 1

    def _finished(self, piece: str) -> tuple[str, int, Fault | None]:
        self._keep(piece)
        source, fault = "".join(self._begun or []), self._fault
        if self._size > LONGEST_LINE:
            fault = fault or Fault(f"the message is longer than {LONGEST_LINE:,} characters", "length")
        self._begun = self._fault = None
        return source, self._number, fault

    def _keep(self, piece: str) -> None:
        self._size += len(piece)
        if self._begun is not None and self._size <= LONGEST_LINE:
            self._begun.append(piece)


def _record(message: dict[str, Any], number: int) -> CsvRecord | None:
    if "text" not in message:
        raise UnreadableText("the message has no key 'text'", "key")
    parts = message["text"]
    parts = parts if isinstance(parts, list) else [parts]  # links and bold words are objects
    text = "".join(checked_text(part.get("text") if isinstance(part, dict) else part) for part in parts)
    if not text.strip():
        return None
    return CsvRecord([_shown(message.get("date")), _shown(message.get("from")), text], number)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else ""
