"""Read the compact protocol of Thrift, in which Parquet writes its footer and the headers of its pages."""

from typing import Any

I32, I64, LIST, STRUCT = 5, 6, 9, 12
_TRUTHS = (1, 2)
Fields = dict[tuple[int, int], Any]
"""The fields of a structure by number and type."""


class Thrift:
    """Reads one structure.

    A field of another type than expected is none, as for other readers of Thrift, so the type is part of its key. A
    field that comes twice is damage: another reader could take the other one.

    Attributes:
        position: bytes read so far.
    """

    def __init__(self, content: bytes, *, most_fields: int | None = None) -> None:
        """Read from the beginning of the bytes; ``most_fields`` bounds the fields, with those of inner structures."""
        self._content = content
        self._left = len(content) if most_fields is None else most_fields
        self.position = 0

    def struct(self) -> Fields:
        """Return the numbers, bytes, lists and structures; truth values and fractions are skipped.

        Raises:
            IndexError: the bytes end, or are no structure.
            RecursionError: structures are nested too deeply.
        """
        fields: Fields = {}
        number = 0
        while kind := self._byte():
            self._left -= 1
            number = number + (kind >> 4) if kind >> 4 else self._number()
            if (number, kind & 15) in fields or self._left < 0:
                raise IndexError
            fields[number, kind & 15] = self._value(kind & 15)
        return fields

    def _value(self, kind: int) -> Any:
        match kind:
            case 1 | 2:  # a truth value, which is the type itself
                return None
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._number()
            case 7 | 8:
                return self._take(8 if kind == 7 else self._unsigned())
            case 9 | 10:
                return self._list()
            case 12:
                return self.struct()
            case _:  # maps, which Parquet does not use
                raise IndexError

    def _list(self) -> list[Any]:
        head = self._byte()
        size = self._unsigned() if head >> 4 == 15 else head >> 4
        self._left -= size
        if self._left < 0:
            raise IndexError
        kind = head & 15
        return [self._byte() if kind in _TRUTHS else self._value(kind) for _ in range(size)]

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

    def _take(self, length: int) -> bytes:
        start, self.position = self.position, self.position + length
        if self.position > len(self._content):
            raise IndexError
        return self._content[start : self.position]
