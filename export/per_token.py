"""Give every token its own activation scale in a dynamically quantised graph.

Optimum's dynamic quantisation takes one scale for a whole batch, so that a score depends on what else is in the
batch, and one large activation costs all the others their precision. Here the rows of an activation, one per
token, are quantised each with a scale of its own, and the rows of the product are multiplied by it afterwards.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from export.errors import ExportError


@dataclass(frozen=True, slots=True)
class _Range:
    """How a row is spread over the 256 steps of uint8.

    Attributes:
        zero_point: the step that stands for 0.
        steps: steps between 0 and the largest value of the row.
        smallest_scale: no row has a finer scale; keeps what lies below 0 in range, and a row of zeros harmless.
        symmetric: values below 0 are as large as those above.
    """

    zero_point: int
    steps: int
    smallest_scale: float
    symmetric: bool


_SYMMETRIC = _Range(zero_point=128, steps=127, smallest_scale=1e-12, symmetric=True)
# Gelu is never below -0.17: what is not needed for that side goes to the other.
_AFTER_GELU = _Range(zero_point=32, steps=223, smallest_scale=0.17 / 32, symmetric=False)
_GELUS = ("BiasGelu", "Gelu", "FastGelu")


@dataclass(frozen=True, slots=True)
class _Product:
    """The nodes Optimum writes for one MatMul: DynamicQuantizeLinear, MatMulInteger, Cast and two Mul."""

    quantize: onnx.NodeProto
    product: onnx.NodeProto
    scales: onnx.NodeProto
    rescale: onnx.NodeProto
    cast: onnx.NodeProto

    @property
    def activation(self) -> str:
        return str(self.quantize.input[0])

    @property
    def result(self) -> str:
        return str(self.rescale.output[0])

    @property
    def nodes(self) -> tuple[onnx.NodeProto, ...]:
        return self.quantize, self.product, self.scales, self.rescale, self.cast


def use_token_scales(model: onnx.ModelProto) -> int:
    """Rewrite, in place, every dynamically quantised product of a graph.

    The first input of the graph and every activation must have the same two leading dimensions: batch and tokens.

    Returns:
        Number of products rewritten.

    Raises:
        ExportError: a product is not of the form that Optimum writes.
    """
    graph = model.graph
    products = {product.result: product for product in _find_products(graph)}
    obsolete = {id(node) for product in products.values() for node in product.nodes}
    after_gelu = {node.output[0] for node in graph.node if node.op_type in _GELUS}
    writer = _Writer(graph)
    for node in list(graph.node):
        product = products.get(node.output[0])
        if product is not None:
            writer.write(product, _AFTER_GELU if product.activation in after_gelu else _SYMMETRIC)
        elif id(node) not in obsolete:
            writer.nodes.append(node)
    del graph.node[:]
    graph.node.extend(writer.nodes)
    if "com.microsoft" not in {entry.domain for entry in model.opset_import}:
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return len(products)


def _find_products(graph: onnx.GraphProto) -> Iterator[_Product]:
    producer = {name: node for node in graph.node for name in node.output}

    def consumer(name: str, op_type: str) -> onnx.NodeProto:
        found: list[onnx.NodeProto] = [node for node in graph.node if name in node.input and node.op_type == op_type]
        if len(found) != 1:
            raise ExportError(
                f"the quantised graph has {len(found)} {op_type} after {name}, not 1; see constraints.txt"
            )
        return found[0]

    for node in graph.node:
        if node.op_type == "MatMulInteger":
            cast = consumer(node.output[0], "Cast")
            rescale = consumer(cast.output[0], "Mul")
            scales = producer[next(name for name in rescale.input if name != cast.output[0])]
            yield _Product(producer[node.input[0]], node, scales, rescale, cast)


class _Writer:
    """Collects the nodes of the new graph, and its constants in the graph itself; what is there is shared."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._graph = graph
        self._shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        self._written: set[str] = set()
        self._add("Shape", [graph.input[0].name], "token_grid", start=0, end=2)

    def write(self, product: _Product, span: _Range) -> None:
        """Write what replaces one product: (batch, tokens, inputs) -> (batch, tokens, outputs)."""
        _, weights, _, weight_zero_point = product.product.input
        weight_scales = next(name for name in product.scales.input if name != product.quantize.output[1])
        inputs, outputs = self._shapes[weights]
        rows, row_scales = self._quantize_rows(product.activation, inputs, span)
        one, zero_point = self._constant(np.float32(1)), self._constant(np.uint8(span.zero_point))
        result = product.result
        self._add(
            "MatMulIntegerToFloat",
            [rows, weights, one, weight_scales, zero_point, weight_zero_point],
            f"{result}_unscaled",
            domain="com.microsoft",
        )
        self._add("Mul", [f"{result}_unscaled", row_scales], f"{result}_rows")
        width = self._constant(np.array([outputs], dtype=np.int64))
        shape = self._add("Concat", ["token_grid", width], f"token_grid_{outputs}", axis=0)
        self._add("Reshape", [f"{result}_rows", shape], result)

    def _quantize_rows(self, activation: str, width: int, span: _Range) -> tuple[str, str]:
        """Write the quantisation of one activation.

        Returns:
            Names of the rows in uint8, shape (tokens of the batch, width), and of their scales, shape (tokens, 1).
        """
        last, column = self._constant(np.array([-1])), self._constant(np.array([1]))
        flat = self._add("Reshape", [activation, self._constant(np.array([-1, width]))], f"{activation}_flat")
        largest = self._add("ReduceMax", [flat, last], f"{activation}_max", keepdims=0)
        if span.symmetric:
            smallest = self._add("ReduceMin", [flat, last], f"{activation}_min", keepdims=0)
            negated = self._add("Neg", [smallest], f"{activation}_neg")
            largest = self._add("Max", [largest, negated], f"{activation}_abs")
        step = self._add("Mul", [largest, self._constant(np.float32(1 / span.steps))], f"{activation}_step")
        scale = self._add("Max", [step, self._constant(np.float32(span.smallest_scale))], f"{activation}_scale")
        tokens = self._tokens()
        zero = self._constant(np.array([span.zero_point], dtype=np.uint8))
        zeros = self._add("Expand", [zero, tokens], f"token_zero_{span.zero_point}")
        # One scale per row of a matrix: onnxruntime vectorises along the row, which dividing first would do twice.
        rows = self._add("QuantizeLinear", [flat, scale, zeros], f"{activation}_u8", axis=0)
        return rows, self._add("Unsqueeze", [scale, column], f"{activation}_scales")

    def _tokens(self) -> str:
        """Write the number of tokens of the batch, padding included, shape (1,)."""
        return self._add("ReduceProd", ["token_grid"], "token_count", keepdims=1)

    def _add(self, op_type: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        if output not in self._written:  # query, key and value share an activation
            self._written.add(output)
            node = helper.make_node(op_type, inputs, [output], name=f"{output}_{op_type}", **attributes)
            self.nodes.append(node)
        return output

    def _constant(self, value: Any) -> str:
        array: NDArray[Any] = np.asarray(value)
        name = f"token_{array.dtype}_{'x'.join(map(str, array.reshape(-1)))}_{array.ndim}"
        if name not in self._written:
            self._written.add(name)
            self._graph.initializer.append(numpy_helper.from_array(array, name))
        return name
