"""Decode the lines of a byte stream as they arrive.

``io.TextIOWrapper`` stops at the first invalid byte and does not tell whether the next line is buffered. Here a bad
line does not affect the others, and a message on a slow pipe does not wait for the next one.
"""

import codecs
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from spam_edge.errors import InputError
from spam_edge.readers.signatures import check_text, marked_encodings, may_begin_mark

CHUNK = 64 * 1024
LONGEST_LINE = 16 * 1024 * 1024
"""Maximum length in characters of a line, a record or a message; a longer one is a bad row and is not kept."""

OLD_MAC = r"the lines end with carriage returns, as on old Macs; convert them: tr '\r' '\n' < FILE > NEW"

_FAR = 100
"""Lines that are looked at before the first one is returned, if they are asked for."""
_OVERLONG = "<overlong>\n"
"""Stands for a line that was not kept; compared by identity."""
_MARK = "spam_edge.mark"
_MARKED = re.compile("[\ud800-\udfff]")
_OF_NAMES = {"idna", "punycode"}
"""Encodings of the names of hosts, which no file has."""


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


# Like `surrogateescape`, which rejects bytes below 128 and so fails for UTF-16.
codecs.register_error(_MARK, _mark)


class Fault(NamedTuple):
    """What is wrong with a line; ``kind`` is the category under which its row is counted."""

    reason: str
    kind: str


class LineSource:
    r"""Iterator over the lines of a byte stream. Only ``\n`` ends a line, and it is kept.

    Attributes:
        name: name of the stream in messages.
        encoding: encoding of the stream.
        number: number of the latest line, from 1; 0 before the first.
        position: bytes read so far.
        marked: whether the stream begins with a byte order mark; known with its first line.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        *,
        name: str,
        encoding: str = "utf-8",
        whole: bool = False,
        check: Callable[[Iterable[str], str], None] | None = None,
    ) -> None:
        """Wrap a ``read(n)`` function that returns at most n bytes, and none at the end.

        A stream that begins like no text in this encoding is refused. Byte order marks are dropped: they are not part
        of the first message. With ``whole``, the stream is one message, in which carriage returns may end the lines.
        ``check`` is called with the lines that are not blank, which are read when they are asked for, and the name.
        """
        self.name = name
        self.number = 0
        self.position = 0
        self.marked = False
        self._read = read
        self.encoding = encoding
        self._whole = whole
        self._check = check
        self._decoder = codecs.getincrementaldecoder(encoding)(_MARK)
        self._begins = True  # no character but byte order marks so far
        self._lines: deque[str] = deque()
        self._begun: list[str] = []  # pieces of the incomplete line
        self._begun_length = 0
        self._ended = False
        self._fault: Fault | None = None

    @property
    def ready(self) -> bool:
        """Whether the next line is buffered, so that reading it does not block."""
        return bool(self._lines)

    @property
    def faulty(self) -> bool:
        """Whether :meth:`take_fault` will return a fault."""
        return self._fault is not None

    def take_fault(self) -> Fault | None:
        """Return the first fault of the lines since the last call, or ``None``."""
        fault, self._fault = self._fault, None
        return fault

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while not self._lines:
            if self._ended:
                raise StopIteration
            self._receive()
        if self._check is not None and self._lines[0].strip():
            self._check(self._ahead(), self.name)
            self._check = None
        line = self._lines.popleft()
        self.number += 1
        if line is _OVERLONG:
            self._fault = self._fault or Fault(self._too_long(), "length")
            return "\n"
        if wrong := _MARKED.search(line):
            self._fault = self._fault or Fault(self._describe(line, wrong.start()), "encoding")
        elif "\0" in line:
            self._fault = self._fault or Fault(f"line {self.number} has a NUL byte; remove it", "encoding")
        elif self.number == 1 and not self._whole and "\r" in line[:-1].removesuffix("\r") and not self._goes_on(line):
            self._fault = self._fault or Fault(OLD_MAC, "line ends")
        return line

    def _goes_on(self, first: str) -> bool:
        """Whether the first line is not the only one."""
        return first.endswith("\n") and next(self._ahead(), None) is not None

    def _ahead(self) -> Iterator[str]:
        """Yield the lines that are not blank, up to one that is not kept, and leave them where they are."""
        place = 0
        while place < _FAR:
            while place == len(self._lines) and not self._ended:
                self._receive()
            if place == len(self._lines) or self._lines[place] is _OVERLONG:
                return
            if self._lines[place].strip():
                yield self._lines[place]
            place += 1

    def _receive(self) -> None:
        try:
            text = self._decoded()
        except UnicodeError as error:  # of UTF-16 without a byte order mark, and of encodings that are not of texts
            raise InputError(f"{self.name} is not {self.encoding} ({error}); set another --encoding") from error
        if self._begins:
            text = text.lstrip("\ufeff")
            self._begins = not text
        *complete, rest = text.split("\n")
        for line in complete:
            self._keep(line + "\n")
            self._finish_line()
        if rest:
            self._keep(rest)
        if self._ended and self._begun:
            self._finish_line()

    def _decoded(self) -> str:
        chunk = self._read(CHUNK)
        if not self.position:
            chunk = self._first(chunk)
        self.position += len(chunk)
        self._ended = not chunk
        return self._decoder.decode(chunk, final=self._ended)

    def _keep(self, piece: str) -> None:
        self._begun_length += len(piece)
        if self._begun_length > LONGEST_LINE:
            self._begun = [_OVERLONG]
        else:
            self._begun.append(piece)

    def _finish_line(self) -> None:
        self._lines.append(self._begun[0] if len(self._begun) == 1 else "".join(self._begun))
        self._begun.clear()
        self._begun_length = 0

    def _first(self, chunk: bytes) -> bytes:
        """Return the first chunk, with enough bytes to tell a byte order mark, if it begins like text."""
        while chunk and may_begin_mark(chunk) and (more := self._read(CHUNK)):
            chunk += more
        check_text(chunk, self.name, self.encoding)
        self.marked = bool(marked_encodings(chunk))
        return chunk

    def _too_long(self) -> str:
        return (
            f"line {self.number} is longer than {LONGEST_LINE:,} characters; give one message per line or set the "
            "format with --input-format"
        )

    def _describe(self, line: str, index: int) -> str:
        start = len(line[:index].encode(self.encoding, "replace")) - len("".encode(self.encoding))
        return (
            f"byte 0x{ord(line[index]) & 0xFF:02x} at position {start + 1} of line {self.number} is not "
            f"{self.encoding}; set the encoding, for example with --encoding cp1252"
        )


def check_encoding(encoding: str) -> None:
    """Check the name of an encoding.

    Raises:
        InputError: it is unknown, or none of files.
    """
    problem = InputError(f"{encoding!r} is not a known text encoding; try utf-8 or cp1252")
    try:
        codecs.getincrementaldecoder(encoding)
        "".encode(encoding)
    except (LookupError, UnicodeError, ValueError) as error:
        raise problem from error
    if codecs.lookup(encoding).name in _OF_NAMES:
        raise problem
