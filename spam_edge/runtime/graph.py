"""Read the parts of an ONNX file that decide what onnxruntime would load beside it: external data and operators.

The file is protobuf; see onnx.proto of the ONNX project for the field numbers. onnxruntime gets only bytes, and no file
that these checks have not seen.
"""

import math
import mmap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.copies import PrivateCopy
from spam_edge.errors import BundleIntegrityError
from spam_edge.runtime.custom_operator import DOMAIN

_DOMAINS = {"", "ai.onnx", "com.microsoft"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_TYPES = {1: "f4", 2: "u1", 3: "i1", 4: "u2", 5: "i2", 6: "i4", 7: "i8", 10: "f2", 11: "f8", 12: "u4", 13: "u8"}
_DTYPES = {number: np.dtype(f"<{name}") for number, name in _TYPES.items()}
_GRAPH, _INITIALIZER = 7, 5  # fields of a model and of a graph
_DIMENSIONS, _DATA_TYPE, _NAME, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 8, 13, 14  # fields of a tensor
_DOMAIN_OF_NODE = 7

# Kinds of message, and for each the fields that hold messages of interest.
_CHILDREN: Mapping[str, Mapping[int, str]] = {
    "model": {_GRAPH: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", _INITIALIZER: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}

_Field = tuple[int, int, int, int, int, int]
"""Number and wire type of a field, its first byte, start and end of its value, and the value of a varint."""
_Buffer = bytes | mmap.mmap


class ExternalTensor(NamedTuple):
    """A constant whose bytes lie in another file.

    Attributes:
        name: name in the graph.
        span: first byte and end of its field in the ONNX file.
        data_type: element type, a number of ONNX.
        shape: its shape.
        location: name of the file, in the same folder.
        offset: first byte in that file.
        length: number of bytes.
    """

    name: str
    span: tuple[int, int]
    data_type: int
    shape: tuple[int, ...]
    location: str
    offset: int
    length: int

    def value(self, content: _Buffer) -> NDArray[np.generic]:
        """Return the constant, a view into the content of its file.

        Raises:
            ValueError: it has an unknown type, another size than its shape, or ends behind the file.
        """
        if self.data_type not in _DTYPES:
            raise ValueError(f"{self.name} has the unknown type {self.data_type}")
        dtype, count = _DTYPES[self.data_type], math.prod(self.shape)
        if self.length != count * dtype.itemsize or self.offset + self.length > len(content):
            raise ValueError(f"{self.name} does not fit into {self.location}")
        return np.frombuffer(content, dtype, count, self.offset).reshape(self.shape)


class Graph(NamedTuple):
    """A checked ONNX file.

    Attributes:
        path: its path, for errors.
        fused: it may have the operator of :mod:`spam_edge.runtime.custom_operator`.
        copy: its bytes.
        external: constants that lie in other files.
        files: these files by name.
        values: the constants by name, as views into the files; see also :mod:`spam_edge.runtime.packing`.
    """

    path: Path
    fused: bool
    copy: PrivateCopy
    external: tuple[ExternalTensor, ...]
    files: Mapping[str, PrivateCopy]
    values: Mapping[str, NDArray[np.generic]]

    @classmethod
    def read(cls, path: Path, read: Callable[[str], PrivateCopy], *, fused: bool) -> Self:
        """Read and check an ONNX file.

        Args:
            path: path of the file.
            read: copies a file in its folder by name.
            fused: allow the operator of :mod:`spam_edge.runtime.custom_operator`.

        Raises:
            BundleIntegrityError: the file cannot be read, is not an ONNX file, has an operator of an unknown domain, or
                has external data that are not constants of its own folder.
        """
        copy = read(path.name)
        try:
            external = tuple(_inspect(copy.content, _DOMAINS | {DOMAIN} if fused else _DOMAINS))
            files = {name: read(name) for name in sorted({tensor.location for tensor in external})}
            values = {tensor.name: tensor.value(files[tensor.location].content) for tensor in external}
        except (ValueError, IndexError) as error:
            raise BundleIntegrityError(f"{path} cannot be opened ({error}); export the bundle again") from error
        return cls(path, fused, copy, external, files, values)

    def without_external(self) -> bytes:
        """Return the ONNX file with empty constants in place of the external ones."""
        content = self.copy.content
        ((begin_of_graph, place, end_of_graph),) = (
            field[2:5] for field in _fields(content, 0, len(content)) if field[0] == _GRAPH
        )
        pieces = []
        for tensor in self.external:
            begin, end = tensor.span
            name = tensor.name.encode()
            empty = b"\x08\0\x10" + _varint(tensor.data_type) + b"\x42" + _varint(len(name)) + name
            pieces += [content[place:begin], b"\x2a" + _varint(len(empty)) + empty]
            place = end
        body = b"".join([*pieces, content[place:end_of_graph]])
        return content[:begin_of_graph] + b"\x3a" + _varint(len(body)) + body + content[end_of_graph:]


def _inspect(content: _Buffer, domains: set[str]) -> Iterator[ExternalTensor]:
    """Check every node and tensor of a model, and yield the constants with external data."""
    allowed = {domain.encode() for domain in domains}
    graphs = 0
    messages = [("model", 0, len(content), 0)]  # a stack: kind, start, end, depth
    while messages:
        kind, start, end, depth = messages.pop()
        children = _CHILDREN[kind]
        for field in _fields(content, start, end):
            number, wire, _, inner, after, _ = field
            if wire != _BYTES:
                continue
            if number in children:
                child = children[number]
                if child != "tensor":
                    messages.append((child, inner, after, depth + 1))
                    graphs += kind == "model" and child == "graph"
                elif tensor := _external(content, field):
                    if (kind, number, depth) != ("graph", _INITIALIZER, 1):
                        raise ValueError("external data are supported for constants of the main graph only")
                    yield tensor
            elif number == _DOMAIN_OF_NODE and kind == "node" and content[inner:after] not in allowed:
                raise ValueError(f"it has an operator of the domain {content[inner:after].decode(errors='replace')!r}")
    if graphs != 1:
        raise ValueError("it is not an ONNX model")


def _external(content: _Buffer, tensor: _Field) -> ExternalTensor | None:
    """Read a tensor with external data; None if it has none."""
    fields = _fields(content, tensor[3], tensor[4])
    if not any(field[0] == _EXTERNAL_DATA or (field[0] == _DATA_LOCATION and field[5]) for field in fields):
        return None
    name, data_type, shape, entries = "", 0, list[int](), dict[str, str]()
    for number, wire, _, start, end, value in fields:
        if number == _DIMENSIONS:
            shape += [value] if wire == _VARINT else _packed(content, start, end)
        elif number == _DATA_TYPE:
            data_type = value
        elif number == _NAME:
            name = content[start:end].decode()
        elif number == _EXTERNAL_DATA:
            pair = {part[0]: content[part[3] : part[4]] for part in _fields(content, start, end)}
            entries[pair.get(1, b"").decode()] = pair.get(2, b"").decode()
    location = entries.get("location", "")
    if not location or location.startswith(".") or not {"/", "\\", ":", "\0"}.isdisjoint(location):
        raise ValueError(f"{name} has external data outside the folder: {location!r}")
    offset, length = (_number(entries.get(key, "")) for key in ("offset", "length"))
    return ExternalTensor(name, (tensor[2], tensor[4]), data_type, tuple(shape), location, offset, length)


def _packed(content: _Buffer, start: int, end: int) -> Iterator[int]:
    """Yield the numbers of a packed field."""
    while start < end:
        number, start = _read_varint(content, start)
        yield number


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"offset and length of external data must be numbers, not {text!r}")
    return int(text)


def _fields(content: _Buffer, start: int, end: int) -> list[_Field]:
    """Return the fields of a message.

    Raises:
        ValueError: the bytes are not a protobuf message.
        IndexError: they end too early.
    """
    fields: list[_Field] = []
    place = start
    while place < end:
        begin, value = place, 0
        tag = content[place]
        place += 1
        if tag >= 128:
            tag, place = _read_varint(content, begin)
        wire = tag & 7
        if wire == _BYTES:
            size = content[place]
            place += 1
            if size >= 128:
                size, place = _read_varint(content, place - 1)
            after = place + size
        elif wire == _VARINT:
            value, after = content[place], place + 1
            if value >= 128:
                value, after = _read_varint(content, place)
        else:
            after = place + _FIXED.get(wire, end)
        if not 8 <= tag < 2**32:
            break
        fields.append((tag >> 3, wire, begin, place, after, value))
        place = after
    if place != end:
        raise ValueError("it is not an ONNX model")
    return fields


def _read_varint(content: _Buffer, place: int) -> tuple[int, int]:
    """Return a number and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("it is not an ONNX model")


def _varint(value: int) -> bytes:
    digits = []
    while value >= 128:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])
