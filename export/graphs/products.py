"""Find the matrix products of a dynamically quantised graph in the form that Optimum writes."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass

import onnx

from export.errors import ExportError


@dataclass(frozen=True, slots=True)
class Product:
    """The nodes Optimum writes for one MatMul: DynamicQuantizeLinear, MatMulInteger, Cast and two Mul.

    Attributes:
        bias: the Add of the layer's bias, if it follows directly.
    """

    quantize: onnx.NodeProto
    product: onnx.NodeProto
    scales: onnx.NodeProto
    rescale: onnx.NodeProto
    cast: onnx.NodeProto
    bias: onnx.NodeProto | None

    @property
    def activation(self) -> str:
        """Name of the quantised activation."""
        return str(self.quantize.input[0])

    @property
    def result(self) -> str:
        """Name of the product in fp32, before its bias."""
        return str(self.rescale.output[0])

    @property
    def weights(self) -> str:
        """Name of the int8 weights, shape (channels, outputs)."""
        return str(self.product.input[1])

    @property
    def weight_scales(self) -> str:
        """Name of the weight scales, shape (outputs,)."""
        return str(next(name for name in self.scales.input if name != self.quantize.output[1]))

    @property
    def nodes(self) -> tuple[onnx.NodeProto, ...]:
        """Nodes to remove when the product is rewritten."""
        return self.quantize, self.product, self.scales, self.rescale, self.cast


def layer_of(product: Product, layers: Container[str]) -> str:
    """Return the linear layer of a product, such as ``layer.0.ffn.lin1``.

    Raises:
        ExportError: the layer is not in ``layers``.
    """
    name = re.sub(r"^.*?(layer\.\d+)/(\w+)/(\w+)/.*$", r"\1.\2.\3", product.result)
    if name not in layers:
        raise ExportError(
            f"the quantised graph has a product of an unknown layer, {product.result}; "
            "install the versions in constraints.txt"
        )
    return name


def find_products(graph: onnx.GraphProto) -> Iterator[Product]:
    """Yield the products of a graph.

    Raises:
        ExportError: a product does not have the form that Optimum writes.
    """
    producer = {name: node for node in graph.node for name in node.output}
    vectors = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 1}

    def consumer(name: str, op_type: str) -> onnx.NodeProto:
        found: list[onnx.NodeProto] = [node for node in graph.node if name in node.input and node.op_type == op_type]
        if len(found) != 1:
            raise ExportError(
                f"the quantised graph has {len(found)} {op_type} after {name} instead of 1; "
                "install the versions in constraints.txt"
            )
        return found[0]

    for node in graph.node:
        if node.op_type == "MatMulInteger":
            cast = consumer(node.output[0], "Cast")
            rescale = consumer(cast.output[0], "Mul")
            scales = producer[next(name for name in rescale.input if name != cast.output[0])]
            adds = [add for add in graph.node if add.op_type == "Add" and rescale.output[0] in add.input]
            bias = next((add for add in adds if vectors & set(add.input)), None)
            yield Product(producer[node.input[0]], node, scales, rescale, cast, bias)
