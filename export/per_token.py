"""Give every token its own activation scale in a dynamically quantised graph.

Optimum's dynamic quantisation takes one scale for a whole batch, so that a score depends on what else is in the
batch, and one large activation costs all the others their precision. Here each row is divided by its largest
absolute value / 127 before it is quantised, and the product is multiplied by it again: scores are then
independent of the batch. It is also faster: onnxruntime's fused DynamicQuantizeMatMul is slower than the parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.errors import ExportError

_LEVELS = 127
_ZERO_POINT = 128
_TINY = np.float32(1e-12)  # a row of zeros is divided by this


@dataclass(frozen=True, slots=True)
class _Product:
    """The nodes Optimum writes for one MatMul: DynamicQuantizeLinear, MatMulInteger, Cast and two Mul."""

    quantize: onnx.NodeProto
    product: onnx.NodeProto
    scales: onnx.NodeProto
    rescale: onnx.NodeProto
    cast: onnx.NodeProto

    @property
    def weight_scales(self) -> str:
        return str(next(name for name in self.scales.input if name != self.quantize.output[1]))


def use_token_scales(model: onnx.ModelProto) -> int:
    """Rewrite, in place, every dynamically quantised product of a graph.

    Returns:
        Number of products rewritten.

    Raises:
        ExportError: a product is not of the form that Optimum writes.
    """
    graph = model.graph
    _add_constants(graph)
    products = _find_products(graph)
    obsolete = {id(node) for p in products.values() for node in (p.quantize, p.product, p.scales, p.rescale, p.cast)}
    nodes: list[onnx.NodeProto] = []
    quantized: set[str] = set()
    for node in graph.node:
        product = products.get(node.output[0])
        if product is not None:
            activation = product.quantize.input[0]
            if activation not in quantized:  # query, key and value share theirs
                nodes.extend(_quantize_rows(activation))
                quantized.add(activation)
            nodes.extend(_multiply(product))
        elif id(node) not in obsolete:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    if "com.microsoft" not in {entry.domain for entry in model.opset_import}:
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return len(products)


def _find_products(graph: onnx.GraphProto) -> dict[str, _Product]:
    """Map the name of each result to the nodes that compute it."""
    producer = {name: node for node in graph.node for name in node.output}

    def consumer(name: str, op_type: str) -> onnx.NodeProto:
        found: list[onnx.NodeProto] = [node for node in graph.node if name in node.input and node.op_type == op_type]
        if len(found) != 1:
            raise ExportError(
                f"the quantised graph has {len(found)} {op_type} after {name}, not 1; see constraints.txt"
            )
        return found[0]

    products = {}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            cast = consumer(node.output[0], "Cast")
            rescale = consumer(cast.output[0], "Mul")
            scales = producer[next(name for name in rescale.input if name != cast.output[0])]
            quantize = producer[node.input[0]]
            products[rescale.output[0]] = _Product(quantize, node, scales, rescale, cast)
    return products


_CONSTANTS: dict[str, np.ndarray] = {
    "token_axis": np.array([-1], dtype=np.int64),
    "token_levels": np.array(1 / _LEVELS, dtype=np.float32),
    "token_tiny": np.array(_TINY),
    "token_one": np.array(1, dtype=np.float32),
    "token_zero_point": np.array(_ZERO_POINT, dtype=np.uint8),
}


def _add_constants(graph: onnx.GraphProto) -> None:
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in _CONSTANTS.items())


def _node(op_type: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs, [output], name=f"{output}_{op_type}", **attributes)


def _quantize_rows(activation: str) -> list[onnx.NodeProto]:
    magnitude, largest, step, scale, divided = (
        f"{activation}_{part}" for part in ("abs", "max", "step", "scale", "div")
    )
    return [
        _node("Abs", [activation], magnitude),
        _node("ReduceMax", [magnitude, "token_axis"], largest, keepdims=1),
        _node("Mul", [largest, "token_levels"], step),
        _node("Max", [step, "token_tiny"], scale),
        _node("Div", [activation, scale], divided),
        _node("QuantizeLinear", [divided, "token_one", "token_zero_point"], f"{activation}_u8"),
    ]


def _multiply(product: _Product) -> list[onnx.NodeProto]:
    activation, result = product.quantize.input[0], product.rescale.output[0]
    _, weights, _, weight_zero_point = product.product.input
    inputs = [f"{activation}_u8", weights, "token_one", product.weight_scales, "token_zero_point", weight_zero_point]
    return [
        _node("MatMulIntegerToFloat", inputs, f"{result}_unscaled", domain="com.microsoft"),
        _node("Mul", [f"{result}_unscaled", f"{activation}_scale"], result),
    ]
