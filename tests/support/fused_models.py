"""Models of the fused operator with random constants, of any shape."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from spam_edge.runtime.custom_operator import DOMAIN, OPERATOR

VOCABULARY, POSITIONS = 50, 80
INPUTS = 4
"""Quantised inputs of a layer: of queries, keys and values, of their output, and of both feed-forward blocks."""
_FINE_ROWS = 5
_BYTES = np.iinfo(np.int8)
_Constants = Iterator[NDArray[Any]]


@dataclass(frozen=True)
class Sizes:
    """Sizes of a model.

    Attributes:
        heads: attention heads.
        size: channels of each.
        hidden: width of the feed-forward block.
        layers: their number.
        labels: logits of a message.
        repeated: repeated columns of split channels, in linear layers that are not fine.
        fine: how many of the INPUTS of a layer have 16 bits, from the first.
        completed: outputs of the feed-forward block with an fp32 correction.
    """

    heads: int
    size: int
    hidden: int
    layers: int
    labels: int = 2
    repeated: int = 0
    fine: int = 0
    completed: int = 0

    @property
    def channels(self) -> int:
        return self.heads * self.size


def random_model(sizes: Sizes, seed: int = 0) -> onnx.ModelProto:
    """Return a model whose constants are drawn from their whole range."""
    constants = list(random_constants(np.random.default_rng(seed), sizes))
    tensors = [numpy_helper.from_array(value, f"constant_{number}") for number, value in enumerate(constants)]
    node = helper.make_node(
        OPERATOR,
        ["input_ids", "attention_mask", *(tensor.name for tensor in tensors)],
        ["logits"],
        domain=DOMAIN,
        layers=sizes.layers,
        heads=sizes.heads,
        epsilon=1e-12,
    )
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["M", "S"]) for name in node.input[:2]]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["M", sizes.labels])]
    graph = helper.make_graph([node], "random", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def random_constants(rng: np.random.Generator, sizes: Sizes) -> _Constants:
    """Yield the constants in the input order of the operator; see native/operator.c."""
    channels, hidden = sizes.channels, sizes.hidden
    for rows in (VOCABULARY, POSITIONS):
        yield _bytes(rng, rows, channels)
        yield _floats(rng, rows) / 127
        yield rng.integers(0, _FINE_ROWS, rows).astype(np.int16)
        yield _bytes(rng, _FINE_ROWS, channels)
    yield from _norm(rng, channels)
    for _ in range(sizes.layers):
        widths = (channels, channels, channels, hidden)
        attention, mixed, up, down = (
            list(_input(rng, sizes, width, fine=number < sizes.fine)) for number, width in enumerate(widths)
        )
        for _ in range(3):
            yield from _linear(rng, channels, channels, attention)
        yield from _linear(rng, channels, channels, mixed)
        yield from _linear(rng, channels, hidden, up)
        yield from _linear(rng, hidden, channels, down, completed=min(sizes.completed, channels))
        yield from _norm(rng, channels)
        yield from _norm(rng, channels)
    for outputs in (channels, sizes.labels):
        yield _floats(rng, channels, outputs)
        yield _floats(rng, outputs)


def _bytes(rng: np.random.Generator, *shape: int) -> NDArray[np.int8]:
    """Return bytes; many are the smallest or the largest, whose products need all bits."""
    anything = rng.integers(_BYTES.min, _BYTES.max, shape, dtype=np.int8, endpoint=True)
    extremes = rng.choice([_BYTES.min, _BYTES.max], shape).astype(np.int8)
    return np.where(rng.random(shape) < rng.choice([0, 0.1, 0.9]), extremes, anything)


def _floats(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.normal(size=shape).astype(np.float32)


def _norm(rng: np.random.Generator, channels: int) -> _Constants:
    yield _floats(rng, channels)
    yield _floats(rng, channels)


def _input(rng: np.random.Generator, sizes: Sizes, channels: int, *, fine: bool) -> _Constants:
    """Yield shares, repeated, offsets and limit of a quantiser."""
    more = 0 if fine else sizes.repeated
    repeated = rng.integers(0, channels, more).astype(np.int32)
    yield (1 / (1 + np.bincount(repeated, minlength=channels))).astype(np.float32) if more else np.empty(0, np.float32)
    yield repeated
    yield rng.uniform(-0.5, 0.5, more).astype(np.float32)
    yield np.array([3] if fine else [], dtype=np.float32)


def _linear(
    rng: np.random.Generator, channels: int, outputs: int, quantiser: list[NDArray[Any]], *, completed: int = 0
) -> _Constants:
    yield _bytes(rng, channels + len(quantiser[1]), outputs)
    yield _floats(rng, outputs) / np.float32(128 * channels**0.5)
    yield _floats(rng, outputs)
    yield from quantiser
    yield rng.permutation(outputs)[:completed].astype(np.int32)
    yield _floats(rng, completed, channels) if completed else np.empty(0, np.float32)
