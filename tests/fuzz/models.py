"""Malformed models for the fused operator, from the sound one of the tiny bundle."""

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from spam_edge.runtime.batching import Batch, pad_rows

CONSTANT, VARIABLE, MISSING = range(3)
_TYPES = (np.float32, np.uint8, np.int8, np.uint16, np.int16, np.int32, np.int64, np.bool_, np.float16, np.float64)
_LARGEST_BYTES = 1 << 20  # onnxruntime makes no tensor without its data
_INTEGERS = (
    -(2**63),
    -(2**31),
    -1,
    0,
    1,
    2,
    3,
    5,
    7,
    31,
    32,
    33,
    64,
    65,
    2**16,
    2**31 - 1,
    2**31,
    2**32,
    2**32 + 3,
    2**62,
)
_FLOATS = (float("nan"), float("inf"), -float("inf"), -1.0, -0.0, 0.0, 1e-45, 1e-38, 1e38, 3e38)
_SIZES = (0, 1, 2, 3, 15, 16, 17, 31, 33, 63, 64, 65, 96, 100, 200, 426, 1000)
_LAYER = 58  # constants of a layer
_LINEAR = 9
_PARTS = ("weights", "scales", "bias", "shares", "repeated", "offsets", "limit", "completed", "remainder")


@dataclass(frozen=True)
class Tensor:
    """An input of the operator. ``shift`` moves the data from their natural alignment, by bytes."""

    array: NDArray[Any]
    type: int
    kind: int = CONSTANT
    shift: int = 0

    @classmethod
    def of(cls, array: NDArray[Any]) -> "Tensor":
        return cls(np.ascontiguousarray(array), helper.np_dtype_to_tensor_dtype(array.dtype))

    def pack(self) -> bytes:
        shape = self.array.shape
        header = struct.pack(f"<4i{len(shape)}q", self.kind, self.type, len(shape), self.shift, *shape)
        return header + struct.pack("<q", self.array.nbytes) + self.array.tobytes()


@dataclass
class Model:
    """Attributes and inputs; those in ``replaced`` differ from the sound model."""

    inputs: list[Tensor]
    layers: int
    heads: int
    epsilon: float
    replaced: dict[int, Tensor] = field(default_factory=dict)
    count: int = 0
    """Inputs of the node."""

    def get(self, index: int) -> Tensor:
        return self.replaced.get(index) or self.inputs[index]

    def set(self, index: int, array: NDArray[Any]) -> None:
        self.replaced[index] = Tensor.of(array)

    def pack(self, number: int) -> bytes:
        replaced = {index: tensor for index, tensor in self.replaced.items() if index < self.count}
        packed = b"".join(struct.pack("<i", index) + tensor.pack() for index, tensor in replaced.items())
        return struct.pack("<iqqfii", number, self.layers, self.heads, self.epsilon, self.count, len(replaced)) + packed


def sound_model(bundle: Path, batch: Batch) -> Model:
    """Return the fused model of a bundle with a batch of token ids and mask."""
    graph = onnx.load(bundle / "onnx" / "model_fused.onnx").graph
    [node] = graph.node
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    inputs = [*map(Tensor.of, batch), *(Tensor.of(arrays[name]) for name in node.input[2:])]
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return Model(inputs, **attributes, count=len(inputs))


def sound_batch(seed: int = 0) -> Batch:
    """Return random messages, enough tokens for the thread pool."""
    rng = np.random.default_rng(seed)
    return pad_rows([rng.integers(0, 400, length).tolist() for length in rng.integers(1, 20, 40)], pad_token_id=0)


def pack(sound: Model, models: Sequence[Model]) -> bytes:
    """Return the file that harness.c reads."""
    base = struct.pack("<i", len(sound.inputs)) + b"".join(tensor.pack() for tensor in sound.inputs)
    return base + b"".join(model.pack(number) for number, model in enumerate(models))


def malformed_models(sound: Model, count: int, seed: int) -> Iterator[Model]:
    """Yield models with one to three changes, the first without any; a seed always gives the same."""
    rng = random.Random(seed)
    yield replace(sound, replaced={})
    for _ in range(count - 1):
        model = replace(sound, replaced={})
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            rng.choice(_CHANGES)(rng, model)
        yield model


def _any_input(rng: random.Random, model: Model) -> int:
    """Return the index of an input. Empty constants and vectors of indices are as likely as all others together."""
    indices = range(len(model.inputs))
    rare = [index for index in indices if model.inputs[index].array.dtype.kind == "i" and model.inputs[index].type != 3]
    empty = [index for index in indices if not model.inputs[index].array.size]
    return rng.choice(rng.choice((indices, rare, empty)))


def _resized(array: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Return an array of this shape, with values of the other; unchanged if it would be too large."""
    size = int(np.prod([float(length) for length in shape]))
    if size * array.itemsize > _LARGEST_BYTES:
        return array
    return np.resize(array, tuple(shape)) if array.size else np.zeros(tuple(shape), array.dtype)


def _change_type(rng: random.Random, model: Model) -> None:
    index = _any_input(rng, model)
    with np.errstate(all="ignore"):
        model.set(index, model.get(index).array.astype(rng.choice(_TYPES)))


def _change_size(rng: random.Random, model: Model) -> None:
    index = _any_input(rng, model)
    array = model.get(index).array
    shape = list(array.shape) or [1]
    at = rng.randrange(len(shape))
    shape[at] = max(0, rng.choice((*_SIZES, shape[at] - 1, shape[at] + 1, 2 * shape[at])))
    model.set(index, _resized(array, shape))


def _change_rank(rng: random.Random, model: Model) -> None:
    index = _any_input(rng, model)
    array = model.get(index).array
    shapes = ((array.size,), (1, array.size), (array.size, 1), (1, *array.shape), array.shape[::-1], (2,) * 3, ())
    model.set(index, _resized(array, rng.choice(shapes)))


def _change_to_huge_and_empty(rng: random.Random, model: Model) -> None:
    index = _any_input(rng, model)
    shape = [0, rng.choice((2**31, 2**32, 2**40, 2**58))]
    rng.shuffle(shape)
    model.set(index, np.zeros(shape, dtype=model.get(index).array.dtype))


def _change_values(rng: random.Random, model: Model) -> None:
    index = _any_input(rng, model)
    array = model.get(index).array.copy()
    if not array.size:
        array = np.zeros(rng.choice((1, 2, 30, 32)), dtype=array.dtype)
    for _ in range(rng.choice((1, 1, 4))):
        if array.dtype.kind == "f":
            array.flat[rng.randrange(array.size)] = rng.choice(_FLOATS)
        elif array.dtype.kind == "i":
            limits = np.iinfo(array.dtype)
            number = rng.choice(_INTEGERS)
            array.flat[rng.randrange(array.size)] = min(max(number, limits.min), limits.max)
    model.set(index, array)


def _change_all_values(rng: random.Random, model: Model) -> None:
    index = _any_input(rng, model)
    array = model.get(index).array
    content = rng.choice((rng.randbytes(array.nbytes), b"\xff" * array.nbytes, b"\x7f" * array.nbytes))
    model.set(index, np.frombuffer(content, dtype=array.dtype).reshape(array.shape))


def _fill(rng: random.Random, model: Model) -> None:
    """Give an optional constant a plausible or implausible number of values."""
    index = _any_input(rng, model)
    array = model.get(index).array
    model.set(index, np.full(rng.choice(_SIZES), rng.choice((0, 1, 31)), dtype=array.dtype))


def _swap(rng: random.Random, model: Model) -> None:
    one, other = _any_input(rng, model), _any_input(rng, model)
    model.replaced[one], model.replaced[other] = model.get(other), model.get(one)


def _hide(rng: random.Random, model: Model) -> None:
    index = _any_input(rng, model)
    model.replaced[index] = replace(model.get(index), kind=rng.choice((VARIABLE, MISSING)))


def _shift(rng: random.Random, model: Model) -> None:
    """Misalign a constant, as a memory-mapped file may; this is sound."""
    index = 2 + rng.randrange(len(model.inputs) - 2)
    model.replaced[index] = replace(model.get(index), shift=rng.randrange(1, 64))


def _change_attribute(rng: random.Random, model: Model) -> None:
    name = rng.choice(("layers", "heads", "heads", "epsilon"))
    value = rng.choice(_FLOATS) if name == "epsilon" else max(min(rng.choice(_INTEGERS), 2**63 - 1), -(2**63))
    setattr(model, name, value)


def _change_count(rng: random.Random, model: Model) -> None:
    """Leave out the last inputs, or add missing ones; perhaps with layers that fit."""
    layers = rng.choice((0, 1, 2, 4))
    model.count = rng.choice((2, 3, 10, len(model.inputs) - 1, len(model.inputs) + 1, 16 + _LAYER * layers))
    if rng.random() < 0.5:
        model.layers = layers


def _linear_at(layer: int, number: int) -> dict[str, int]:
    """Return the indices of the constants of a linear layer: query, key, value, out, up or down."""
    first = 12 + _LAYER * layer + _LINEAR * number
    return {part: first + offset for offset, part in enumerate(_PARTS)}


def _change_width(rng: random.Random, model: Model) -> None:
    """Give a linear layer another number of outputs, or columns, with constants that fit one another."""
    linear = _linear_at(rng.randrange(3), rng.randrange(6))
    weights = model.get(linear["weights"]).array
    columns, outputs = weights.shape if weights.ndim == 2 else (1, 1)
    if rng.random() < 0.5:
        outputs = rng.choice(_SIZES)
        for part in ("scales", "bias"):
            model.set(linear[part], _resized(model.get(linear[part]).array, (outputs,)))
    else:
        columns = rng.choice(_SIZES)
        channels = rng.choice((32, 64))
        more = max(0, columns - channels)
        model.set(linear["shares"], np.full(channels if more else 0, 0.5, dtype=np.float32))
        model.set(linear["repeated"], np.arange(more, dtype=np.int32) % channels)
        model.set(linear["offsets"], np.zeros(more, dtype=np.float32))
        if rng.random() < 0.5:
            model.set(linear["limit"], np.zeros(0, dtype=np.float32))
    model.set(linear["weights"], _resized(weights, (columns, outputs)))


def _change_feed_forward(rng: random.Random, model: Model) -> None:
    """Give the feed-forward block of one layer another width than the others have."""
    layer, wide = rng.randrange(3), rng.choice(_SIZES)
    up, down = _linear_at(layer, 4), _linear_at(layer, 5)
    model.set(up["weights"], _resized(model.get(up["weights"]).array, (62, wide)))
    for part in ("scales", "bias"):
        model.set(up[part], _resized(model.get(up[part]).array, (wide,)))
    model.set(down["weights"], _resized(model.get(down["weights"]).array, (wide, 32)))
    for part, dtype in (("shares", np.float32), ("repeated", np.int32), ("offsets", np.float32)):
        model.set(down[part], np.zeros(0, dtype=dtype))
    model.set(down["remainder"], _resized(model.get(down["remainder"]).array, (2, wide)))


def _complete(rng: random.Random, model: Model) -> None:
    """Give a linear layer completed outputs, whose indices may be out of range."""
    linear, count = _linear_at(rng.randrange(3), rng.randrange(6)), rng.choice((1, 2, 32, 33))
    numbers = [min(max(rng.choice(_INTEGERS), -(2**31)), 2**31 - 1) for _ in range(count)]
    model.set(linear["completed"], np.array(numbers, dtype=np.int32))
    model.set(linear["remainder"], np.ones((count, rng.choice((32, 64))), dtype=np.float32))


def _change_limit(rng: random.Random, model: Model) -> None:
    """Change how many planes one linear layer quantises to."""
    linear = _linear_at(rng.randrange(3), rng.randrange(6))
    limits = rng.choice(((), (1.0,), (rng.choice(_FLOATS),), (1.0, 2.0)))
    model.set(linear["limit"], np.array(limits, dtype=np.float32))


def _change_batch(rng: random.Random, model: Model) -> None:
    ids, mask = (model.get(index).array.copy() for index in (0, 1))
    if ids.shape != mask.shape or ids.ndim != 2 or not ids.size or {ids.dtype, mask.dtype} != {np.dtype(np.int64)}:
        return
    if rng.random() < 0.5:
        ids.flat[rng.randrange(ids.size)] = rng.choice((-1, 424, 425, 2**31, 2**32 - 1, 2**63 - 1, -(2**63)))
    else:
        mask.flat[rng.randrange(mask.size)] = rng.choice((0, 1, -1, 2**32))
    if rng.random() < 0.3:
        shape = rng.choice(((1, 64), (1, 65), (3, 200), (1000, 1), (0, 5), (5, 0), (2**40, 0), (0, 2**40)))
        ids, mask = (_resized(array, shape) for array in (ids, np.ones_like(mask)))
    model.set(0, ids)
    model.set(1, mask)


_CHANGES: tuple[Callable[[random.Random, Model], None], ...] = (
    _change_type,
    _change_size,
    _change_rank,
    _change_to_huge_and_empty,
    _change_values,
    _change_values,
    _change_all_values,
    _fill,
    _swap,
    _hide,
    _shift,
    _change_attribute,
    _change_count,
    _change_width,
    _change_feed_forward,
    _complete,
    _change_limit,
    _change_batch,
)
