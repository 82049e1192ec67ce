"""Give every token its own activation scale in a dynamically quantised graph.

Optimum's dynamic quantisation uses one scale per batch: a score depends on the rest of the batch, and one large
activation costs all others their precision. Here the rows of an activation, one per token, are quantised with a scale
each, and the rows of the product are multiplied by it afterwards.

Outlier channels are split into columns (:mod:`export.quantization.outliers`). Where 8 bits are too few, a second
product adds the rounding error of the first, in steps 254 times smaller: 16 bits for twice the work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from export.graphs.products import Product, find_products, layer_of
from export.quantization.outliers import ChannelSplit
from export.quantization.rounding import FINER, RoundedLinear


@dataclass(frozen=True, slots=True)
class _Range:
    """How a row is mapped to uint8.

    Attributes:
        zero_point: quantised value of 0.
        steps: number of steps from 0 to the largest value of the row.
        smallest_scale: lower bound of the scale; keeps negative values in range and avoids a scale of 0.
        symmetric: whether negative values can be as large as positive ones.
    """

    zero_point: int
    steps: int
    smallest_scale: float
    symmetric: bool


_SYMMETRIC = _Range(zero_point=128, steps=127, smallest_scale=1e-12, symmetric=True)
# Gelu is never below -0.17, so most of the range goes to positive values. A column of a split channel has at most a
# third of that, so its offset of less than half a step stays in range too.
_AFTER_GELU = _Range(zero_point=32, steps=223, smallest_scale=0.17 / 32, symmetric=False)
_GELUS = ("Gelu", "FastGelu")


def use_token_scales(model: onnx.ModelProto, layers: Mapping[str, RoundedLinear]) -> int:
    """Rewrite, in place, every dynamically quantised product of a graph.

    The first input of the graph and every activation must have batch and tokens as leading dimensions.

    Args:
        model: graph written by Optimum's quantiser.
        layers: rounded linear layers by name, such as ``layer.0.ffn.lin1``.

    Returns:
        Number of products rewritten.

    Raises:
        ExportError: a product does not have the form that Optimum writes, or its layer is unknown.
    """
    graph = model.graph
    products = {id(product.rescale): product for product in find_products(graph)}
    obsolete = {id(node) for product in products.values() for node in product.nodes}
    after_gelu = {node.output[0] for node in graph.node if node.op_type in _GELUS}
    writer = _Writer(graph)
    for node in list(graph.node):
        if id(node) in products:
            product = products[id(node)]
            layer = layers[layer_of(product, layers)]
            if layer.limit is not None and product.bias is not None:
                obsolete.add(id(product.bias))
            writer.write(product, layer, _AFTER_GELU if product.activation in after_gelu else _SYMMETRIC)
        elif id(node) not in obsolete:
            writer.nodes.append(node)
    del graph.node[:]
    graph.node.extend(writer.nodes)
    if "com.microsoft" not in {entry.domain for entry in model.opset_import}:
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return len(products)


class _Writer:
    """Collects the new nodes and adds constants to the graph; each name is written once and shared."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._graph = graph
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._written: set[str] = set()
        self._batch = self._add("Shape", [graph.input[0].name], "batch_size", start=0, end=1)

    def write(self, product: Product, layer: RoundedLinear, span: _Range) -> None:
        """Write the replacement of one product: (batch, tokens, channels) -> (batch, tokens, outputs)."""
        result = product.result
        self._widen(product.weights, layer.split)
        outputs = self._tensors[product.weights].dims[1]
        channels = len(layer.split.columns)
        flat = self._add(
            "Reshape", [product.activation, self._constant(np.array([-1, channels]))], f"{product.activation}_flat"
        )
        if layer.limit is None:
            rows = self._from_tokens(product, flat, layer.split, span)
        else:
            rows = self._from_16_bits(product, flat, layer.limit)
            result = product.bias.output[0] if product.bias else result
        if len(layer.completed):
            rows = self._complete(rows, flat, layer, outputs)
        sizes = self._constant(np.array([-1, outputs], dtype=np.int64))
        shape = self._add("Concat", [self._batch, sizes], f"batch_of_{outputs}", axis=0)
        self._add("Reshape", [rows, shape], result)

    def _from_tokens(self, product: Product, flat: str, split: ChannelSplit, span: _Range) -> str:
        """Write a product of 8-bit rows with one scale per token, shape (tokens, outputs)."""
        rows, scales = self._quantize_rows(flat, split, span)
        unscaled = self._multiply(product, rows, np.float32(1), span.zero_point, f"{product.result}_unscaled")
        return self._add("Mul", [unscaled, scales], f"{product.result}_rows")

    def _from_16_bits(self, product: Product, flat: str, limit: float) -> str:
        """Write a product of 16-bit rows as the sum of two products, with its bias, shape (tokens, outputs).

        16 bits need no scale per token, so the bias can be added within the product.
        """
        coarse_step = np.float32(limit / _SYMMETRIC.steps)
        fine_step = np.float32(coarse_step / FINER)
        zero = self._constant(np.uint8(_SYMMETRIC.zero_point))
        coarse = self._add("QuantizeLinear", [flat, self._constant(coarse_step), zero], f"{flat}_coarse")
        back = self._add("DequantizeLinear", [coarse, self._constant(coarse_step), zero], f"{flat}_back")
        left = self._add("Sub", [flat, back], f"{flat}_left")
        fine = self._add("QuantizeLinear", [left, self._constant(fine_step), zero], f"{flat}_fine")
        bias = [name for name in product.bias.input if name != product.result] if product.bias else []
        name, zero_point = product.result, _SYMMETRIC.zero_point
        products = [
            self._multiply(product, coarse, coarse_step, zero_point, f"{name}_coarse", *bias),
            self._multiply(product, fine, fine_step, zero_point, f"{name}_fine"),
        ]
        return self._add("Add", products, f"{name}_rows")

    def _multiply(
        self, product: Product, rows: str, scale: np.float32, zero_point: int, output: str, *bias: str
    ) -> str:
        weight_zero_point = product.product.input[3]
        return self._add(
            "MatMulIntegerToFloat",
            [
                rows,
                product.weights,
                self._constant(scale),
                product.weight_scales,
                self._constant(np.uint8(zero_point)),
                weight_zero_point,
                *bias,
            ],
            output,
            domain="com.microsoft",
        )

    def _complete(self, rows: str, flat: str, layer: RoundedLinear, outputs: int) -> str:
        """Write the fp32 residual correction of a few outputs, shape (tokens, outputs)."""
        places = np.zeros((len(layer.completed), outputs), dtype=np.float32)
        places[np.arange(len(layer.completed)), layer.completed] = 1
        remainder = self._initializer(layer.remainder, f"{rows}_remainder")
        lacking = self._add("MatMul", [flat, remainder], f"{rows}_lacking")
        return self._add("Gemm", [lacking, self._initializer(places, f"{rows}_places"), rows], f"{rows}_complete")

    def _widen(self, weights: str, split: ChannelSplit) -> None:
        """Repeat the weights of split channels, shape (channels, outputs) -> (columns, outputs)."""
        tensor = self._tensors[weights]
        matrix = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(np.concatenate([matrix, matrix[split.repeated]]), weights))

    def _quantize_rows(self, flat: str, split: ChannelSplit, span: _Range) -> tuple[str, str]:
        """Write the quantisation of one activation.

        Returns:
            Names of the uint8 rows, shape (tokens, columns), and of their scales, shape (tokens, 1).
        """
        shared = flat
        if len(split.repeated):
            shared = self._add("Mul", [flat, self._initializer(split.shares, f"{flat}_shares")], f"{flat}_shared")
        scale = self._scale(shared, span)
        scales = self._add("Unsqueeze", [scale, self._constant(np.array([1]))], f"{flat}_scales")
        zeros = self._zeros(scale, span.zero_point)
        # onnxruntime vectorises one scale per row; a division before it would be a second pass over the row.
        rows = self._add("QuantizeLinear", [shared, scale, zeros], f"{flat}_u8", axis=0)
        if len(split.repeated):
            repeated = self._initializer(split.repeated, f"{flat}_repeated")
            offsets = self._initializer(split.offsets, f"{flat}_offsets")
            chosen = self._add("Gather", [shared, repeated], f"{flat}_more", axis=1)
            moved = self._add("Add", [chosen, self._add("Mul", [scales, offsets], f"{flat}_by")], f"{flat}_moved")
            more = self._add("QuantizeLinear", [moved, scale, zeros], f"{flat}_more_u8", axis=0)
            rows = self._add("Concat", [rows, more], f"{flat}_columns", axis=1)
        return rows, scales

    def _scale(self, rows: str, span: _Range) -> str:
        """Write the scale of each row, shape (tokens,)."""
        last = self._constant(np.array([-1]))
        bounds = [self._add("ReduceMax", [rows, last], f"{rows}_max", keepdims=0)]
        if span.symmetric:
            smallest = self._add("ReduceMin", [rows, last], f"{rows}_min", keepdims=0)
            bounds.append(self._add("Neg", [smallest], f"{rows}_neg"))
        bounds.append(self._constant(np.float32(span.smallest_scale * span.steps)))
        largest = self._add("Max", bounds, f"{rows}_largest")
        return self._add("Mul", [largest, self._constant(np.float32(1 / span.steps))], f"{rows}_scale")

    def _zeros(self, scale: str, zero_point: int) -> str:
        """Write the zero point of each row, shape (tokens,)."""
        shape = self._add("Shape", [scale], f"{scale}_shape")
        value = numpy_helper.from_array(np.array([zero_point], dtype=np.uint8))
        return self._add("ConstantOfShape", [shape], f"{scale}_zeros", value=value)

    def _initializer(self, value: NDArray[Any], name: str) -> str:
        if name not in self._written:
            self._written.add(name)
            self._graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def _add(self, op_type: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        if output not in self._written:  # query, key and value share an activation
            self._written.add(output)
            node = helper.make_node(op_type, inputs, [output], name=f"{output}_{op_type}", **attributes)
            self.nodes.append(node)
        return output

    def _constant(self, value: Any) -> str:
        array: NDArray[Any] = np.asarray(value)
        return self._initializer(array, f"token_{array.dtype}_{'x'.join(map(str, array.reshape(-1)))}_{array.ndim}")
