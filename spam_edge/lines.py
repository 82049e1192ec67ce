"""Decoded lines of a byte stream, handed out as they arrive.

A text stream of the standard library would stop for good at the first wrong byte, and it does not tell
whether its next line is already here. Both matter: one bad line must not cost the others, and a message
on a slow pipe must not wait for the next one.
"""

import codecs
import re
from collections import deque
from collections.abc import Callable, Iterator

from spam_edge.errors import InputError

CHUNK = 64 * 1024
LONGEST_LINE = 16 * 1024 * 1024
"""Characters. Memory stays bounded when a file turns out to have no lines."""

_MARK = "spam_edge.mark"
_MARKED = re.compile("[\ud800-\udfff]")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


# As `surrogateescape`, which knows no bytes below 128 and so fails for UTF-16.
codecs.register_error(_MARK, _mark)


class LineSource:
    r"""Iterator over the lines of a byte stream; only ``\n`` ends a line, and it stays on.

    Attributes:
        name: what messages to the user call the stream.
        number: lines handed out so far, so the number of the latest one.
        position: bytes read so far.
    """

    def __init__(
        self, read: Callable[[int], bytes], *, name: str, encoding: str = "utf-8", allow_nul: bool = False
    ) -> None:
        """Wrap a function that returns the next bytes, at most as many as asked for, or none at the end.

        A stream with a NUL among its first bytes is refused as binary, unless ``allow_nul`` says otherwise.
        """
        self.name = name
        self.number = 0
        self.position = 0
        self._read = read
        self._encoding = encoding
        self._allow_nul = allow_nul
        # The byte order mark that Windows programs put before UTF-8 is not part of the first message.
        plain = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        self._decoder = codecs.getincrementaldecoder(plain)(_MARK)
        self._lines: deque[str] = deque()
        self._begun: list[str] = []  # pieces of the line that is not complete yet
        self._begun_length = 0
        self._ended = False
        self._fault: str | None = None

    @property
    def ready(self) -> bool:
        """Whether the next line is here, so that asking for it does not wait."""
        return bool(self._lines)

    def take_fault(self) -> str | None:
        """Return what was wrong with the bytes of the lines handed out since the last call, if anything."""
        fault, self._fault = self._fault, None
        return fault

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while not self._lines:
            if self._ended:
                raise StopIteration
            self._receive()
        line = self._lines.popleft()
        self.number += 1
        if wrong := _MARKED.search(line):
            self._fault = self._fault or self._describe(line, wrong.start())
        return line

    def _receive(self) -> None:
        if self._begun_length > LONGEST_LINE:
            raise InputError(
                f"{self.name}: line {self.number + 1} is longer than {LONGEST_LINE:,} characters; "
                "give one message per line or name the format with --input-format"
            )
        chunk = self._read(CHUNK)
        if not self.position:
            self._refuse_binary(chunk)
        self.position += len(chunk)
        self._ended = not chunk
        *complete, rest = self._decoder.decode(chunk, final=self._ended).split("\n")
        for line in complete:
            self._begun.append(line + "\n")
            self._finish_line()
        if rest:
            self._begun.append(rest)
            self._begun_length += len(rest)
        if self._ended and self._begun:
            self._finish_line()

    def _finish_line(self) -> None:
        self._lines.append("".join(self._begun))
        self._begun.clear()
        self._begun_length = 0

    def _refuse_binary(self, chunk: bytes) -> None:
        if b"\0" not in chunk or b"\0" in "\n".encode(self._encoding):
            return
        if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InputError(f"{self.name} looks like UTF-16; say so with --encoding utf-16")
        if self._allow_nul:
            return
        raise InputError(f"{self.name} is a binary file; give text, CSV, TSV, JSON Lines or a .parquet file")

    def _describe(self, line: str, index: int) -> str:
        start = len(line[:index].encode(self._encoding, "replace")) - len("".encode(self._encoding))
        return (
            f"byte 0x{ord(line[index]) & 0xFF:02x} at position {start + 1} of line {self.number} is not "
            f"{self._encoding}; name the right encoding with --encoding, for instance --encoding cp1252"
        )
