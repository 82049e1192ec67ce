"""Emulate the int8 file on x86 processors without VNNI, whose kernels add pairs of products in 16 bits.

There onnxruntime multiplies uint8 activations by int8 weights with ``vpmaddubsw``: the products of two neighbours along
the inner dimension, zero point included, are added in 16 bits and saturate. The runtime therefore opens another graph
there (:mod:`export.graphs.without_vnni`). The audit measures the error of a program that opens the int8 file instead.

onnxruntime runs the file up to the exact integer sums of each product. The emulator then applies the loss by
saturation, so that it propagates through the network.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.errors import ExportError
from export.parity.gate import compare
from spam_edge.bundle.manifest import Manifest
from spam_edge.decision.comparison import Decision
from spam_edge.runtime.providers import CPU, create_session

_LOWEST, _HIGHEST = -(2**15), 2**15 - 1


@dataclass(frozen=True, slots=True)
class ProductAudit:
    """Pair sums of one product on a set of messages.

    Attributes:
        name: name of the node.
        pairs: number of pair sums: rows x half the inner dimension x columns.
        saturating: number of pair sums that do not fit into 16 bits.
        largest: largest absolute sum of the pairs that can saturate; 0 if the weights are too small for any.
    """

    name: str
    pairs: int
    saturating: int
    largest: int


@dataclass(frozen=True, slots=True)
class Audit:
    """Effect of 16-bit pair sums on a set of messages.

    Attributes:
        products: audit of each product of the graph.
        n: number of messages.
        max_abs_dp: largest difference of a calibrated probability from that of exact sums.
        flips: messages whose label at the shipped threshold differs from that of exact sums.
    """

    products: tuple[ProductAudit, ...]
    n: int
    max_abs_dp: float
    flips: int

    @property
    def pairs(self) -> int:
        """Total number of pair sums."""
        return sum(product.pairs for product in self.products)

    @property
    def saturating(self) -> int:
        """Number of pair sums that do not fit into 16 bits."""
        return sum(product.saturating for product in self.products)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, totals included."""
        totals = {"pairs": self.pairs, "saturating": self.saturating}
        return totals | asdict(self)


def audit_pair_sums(path: Path, manifest: Manifest, token_ids: Sequence[Sequence[int]]) -> Audit:
    """Compare a file under emulated 16-bit pair sums with the same file under exact sums.

    Args:
        path: ONNX file whose products are ``MatMulIntegerToFloat`` nodes.
        manifest: provides input and output names, temperature and threshold.
        token_ids: ids by message, special tokens included. Each message runs alone, so that no padding is counted.

    Raises:
        ExportError: the file has no such product.
        GateError: a logit is not finite.
    """
    emulator = PairSumEmulator(path)
    exact, emulated = [], []
    for ids in token_ids:
        row = np.array([ids], dtype=np.int64)
        feed = dict(zip(manifest.inputs, (row, np.ones_like(row)), strict=True))
        exact.append(emulator.run_exact(manifest.output, feed)[0])
        emulated.append(emulator.run(manifest.output, feed)[0])
    decision = Decision.of(manifest)
    parity = compare(
        "int8 without VNNI", "golden", measured=np.array(emulated), reference=np.array(exact), decision=decision
    )
    return Audit(emulator.products, parity.n, parity.max_abs_dp, parity.flips)


class PairSumEmulator:
    """Runs an ONNX file whose integer sums are corrected before they are scaled, and counts pairs over all runs."""

    def __init__(self, path: Path) -> None:
        """Open a file; raises as :func:`audit_pair_sums`."""
        model = onnx.load(path)
        self._products = _open_up(model)
        if not self._products:
            raise ExportError(f"{path} has no product of uint8 activations and int8 weights to audit")
        with tempfile.TemporaryDirectory(prefix="spam-edge-audit-") as folder:
            opened = Path(folder) / "opened.onnx"
            onnx.save(model, opened)
            self._session = create_session(opened, optimization="disabled", provider=CPU)

    @property
    def products(self) -> tuple[ProductAudit, ...]:
        """Counts so far, in graph order."""
        return tuple(
            ProductAudit(product.name, product.pairs, product.saturating, product.largest) for product in self._products
        )

    def run_exact(self, output: str, feed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Return an output of the graph with sums in 32 bits."""
        return self._run(output, feed, {})

    def run(self, output: str, feed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Return an output of the graph with pair sums in 16 bits."""
        corrections: dict[str, NDArray[np.int32]] = {}
        activations: dict[str, NDArray[np.uint8]] = {}
        for product in self._products:  # in graph order: inputs of a product are already corrected
            if product.activation not in activations:
                activations[product.activation] = self._run(product.activation, feed, corrections)
            corrections[product.correction] = product.correct(activations[product.activation])
        return self._run(output, feed, corrections)

    def _run(
        self, output: str, feed: Mapping[str, NDArray[Any]], corrections: Mapping[str, NDArray[np.int32]]
    ) -> NDArray[Any]:
        none = {product.correction: np.zeros((1, 1), dtype=np.int32) for product in self._products}
        result: NDArray[Any] = self._session.run([output], {**feed, **none, **corrections})[0]
        return result


class _Product:
    """One product of the graph, with the pairs of its weights that can saturate."""

    def __init__(self, node: onnx.NodeProto, weights: NDArray[np.int8]) -> None:
        self.name = str(node.name or node.output[0])
        self.activation = str(node.input[0])
        self.correction = f"{node.output[0]}_correction"
        self.pairs = self.saturating = self.largest = 0
        self._depth, self._width = len(weights) // 2, weights.shape[1]
        # An odd last row has no partner, and a single product fits into 16 bits.
        pairs = weights[: 2 * self._depth].astype(np.int32).reshape(self._depth, 2, self._width)
        top = 255 * np.maximum(pairs, 0).sum(axis=1)
        bottom = 255 * np.minimum(pairs, 0).sum(axis=1)
        self._columns, at = np.nonzero(((top > _HIGHEST) | (bottom < _LOWEST)).T)
        self._first, self._second = 2 * at, 2 * at + 1
        self._weights = pairs[at, :, self._columns]

    def correct(self, activations: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Count the pairs of activations, shape (..., inputs), and return the correction, shape (..., outputs)."""
        rows = activations.reshape(-1, activations.shape[-1]).astype(np.int32)
        self.pairs += len(rows) * self._depth * self._width
        correction = np.zeros((len(rows), self._width), dtype=np.int32)
        if len(self._columns):
            sums = rows[:, self._first] * self._weights[:, 0] + rows[:, self._second] * self._weights[:, 1]
            lost = sums.clip(_LOWEST, _HIGHEST) - sums
            self.saturating += int(np.count_nonzero(lost))
            self.largest = max(self.largest, int(np.abs(sums).max()))
            columns, starts = np.unique(self._columns, return_index=True)
            correction[:, columns] = np.add.reduceat(lost, starts, axis=1)
        return correction.reshape(*activations.shape[:-1], self._width)


def _open_up(model: onnx.ModelProto) -> list[_Product]:
    """Rewrite each product, in place, into integer sums plus a correction, which is a graph input, and their scaling.

    Returns:
        The products in graph order; their activations become outputs of the graph.
    """
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    products, nodes = [], []
    for node in graph.node:
        weights = tensors.get(node.input[1]) if node.op_type == "MatMulIntegerToFloat" else None
        if weights is None or weights.data_type != TensorProto.INT8:
            nodes.append(node)
            continue
        product = _Product(node, numpy_helper.to_array(weights))
        products.append(product)
        nodes.extend(_opened(node, product, tensors, graph))
        graph.input.append(helper.make_tensor_value_info(product.correction, TensorProto.INT32, None))
        if product.activation not in outputs:
            outputs.add(product.activation)
            graph.output.append(helper.make_tensor_value_info(product.activation, TensorProto.UINT8, None))
    del graph.node[:]
    graph.node.extend(nodes)
    return products


def _opened(
    node: onnx.NodeProto, product: _Product, tensors: Mapping[str, onnx.TensorProto], graph: onnx.GraphProto
) -> list[onnx.NodeProto]:
    activations, weights, scale, weight_scales, zero_point, weight_zero_point, bias = [*node.input, *[""] * 3][:7]
    # Weights as uint8, offset by 128: the kernels for uint8 weights are exact on every processor.
    signed = numpy_helper.to_array(tensors[weights])
    zeros = numpy_helper.to_array(tensors[weight_zero_point]) if weight_zero_point else np.int8(0)
    unsigned, zero = f"{product.correction}_weights", f"{product.correction}_zero"
    graph.initializer.append(numpy_helper.from_array((signed.astype(np.int16) + 128).astype(np.uint8), unsigned))
    graph.initializer.append(numpy_helper.from_array(np.asarray(zeros + np.int16(128), dtype=np.uint8), zero))
    sums, corrected, scales, unbiased = (
        f"{product.correction}_{part}" for part in ("sums", "corrected", "scales", "unbiased")
    )
    result = node.output[0]
    nodes = [
        helper.make_node("MatMulInteger", [activations, unsigned, zero_point, zero], [sums]),
        helper.make_node("Add", [sums, product.correction], [corrected]),
        helper.make_node("Cast", [corrected], [f"{corrected}_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [scale, weight_scales], [scales]),
        helper.make_node("Mul", [f"{corrected}_float", scales], [unbiased if bias else result]),
    ]
    return [*nodes, helper.make_node("Add", [unbiased, bias], [result])] if bias else nodes
