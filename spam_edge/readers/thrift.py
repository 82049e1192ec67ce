"""Read the headers of the pages of Parquet, which are written in the compact protocol of Thrift."""

from typing import Any

MOST_FIELDS = 100
"""Maximum number of fields of a header, with those of its structures. Parquet defines fewer than 40."""


class Thrift:
    """Reads a structure of the compact protocol of Thrift.

    The methods raise ``IndexError`` beyond the end of the bytes, and for what no header of a page has: lists, maps and
    more than ``MOST_FIELDS`` fields.

    Attributes:
        position: bytes read so far.
    """

    def __init__(self, content: bytes) -> None:
        """Read from the beginning of the bytes."""
        self._content = content
        self._fields = 0
        self.position = 0

    def struct(self) -> dict[int, Any]:
        """Return the numbers and structures by field number; other fields are skipped."""
        fields: dict[int, Any] = {}
        number = 0
        while kind := self._byte():
            self._fields += 1
            if self._fields > MOST_FIELDS:
                raise IndexError
            number = number + (kind >> 4) if kind >> 4 else self._number()
            fields[number] = self._value(kind & 15)
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (4, 5, 6):
            return self._number()
        if kind == 12:
            return self.struct()
        self._skip(kind)
        return None

    def _skip(self, kind: int) -> None:
        match kind:
            case 1 | 2:  # a truth value, which is the type itself
                pass
            case 3:
                self._byte()
            case 7:
                self._advance(8)
            case 8:
                self._advance(self._unsigned())
            case _:
                raise IndexError

    def _number(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise IndexError

    def _byte(self) -> int:
        self.position += 1
        return self._content[self.position - 1]

    def _advance(self, length: int) -> None:
        self.position += length
        if self.position > len(self._content):
            raise IndexError
