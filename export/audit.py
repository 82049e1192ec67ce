"""What the int8 file says on x86 processors without VNNI, whose kernels add pairs of products in 16 bits.

There onnxruntime multiplies uint8 activations by int8 weights with ``vpmaddubsw``: the products of two neighbours
along the inner dimension, zero point included, are added in 16 bits, and what does not fit is cut off. This is why the
runtime opens another graph there (:mod:`export.without_vnni`), and says what a program does that opens the int8 file.

Here onnxruntime runs the file, but of each product only the exact integer sums; what the pairs would have lost is
subtracted from them, and so travels on through the network as it would there.
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
from export.gate import Decision, compare
from spam_edge.engine import CPU, create_session
from spam_edge.manifest import Manifest

_LOWEST, _HIGHEST = -(2**15), 2**15 - 1


@dataclass(frozen=True, slots=True)
class ProductAudit:
    """Pair sums of one product on a set of messages.

    Attributes:
        name: the node in the graph.
        pairs: how many there were: rows x half the inner dimension x columns.
        saturating: those that do not fit into 16 bits.
        largest: largest absolute sum of the pairs that uint8 activations could drive that far; 0 where the
            weights are too small for it.
    """

    name: str
    pairs: int
    saturating: int
    largest: int


@dataclass(frozen=True, slots=True)
class Audit:
    """What 16-bit pair sums do to a set of messages.

    Attributes:
        products: each product of the graph.
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
        """Pair sums in all."""
        return sum(product.pairs for product in self.products)

    @property
    def saturating(self) -> int:
        """Those that do not fit into 16 bits."""
        return sum(product.saturating for product in self.products)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, totals included."""
        totals = {"pairs": self.pairs, "saturating": self.saturating}
        return totals | asdict(self)


def audit_pair_sums(path: Path, manifest: Manifest, token_ids: Sequence[Sequence[int]]) -> Audit:
    """Compare a file run with 16-bit pair sums, which are emulated, with the same file run with exact sums.

    Args:
        path: ONNX file whose products are ``MatMulIntegerToFloat`` nodes.
        manifest: names of its inputs and output, temperature and threshold.
        token_ids: ids by message, special tokens included. Each message is run on its own: there is no padding whose
            pairs would be counted.

    Raises:
        ExportError: the file has no such product.
        GateError: it gives logits that are no numbers.
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
    """An ONNX file with its integer products opened up: their sums are corrected from outside before they are scaled.

    It counts the pairs of all its runs.
    """

    def __init__(self, path: Path) -> None:
        """Open a file; see :func:`audit_pair_sums` for what it raises."""
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
        """What was counted so far, in the order of the graph."""
        return tuple(
            ProductAudit(product.name, product.pairs, product.saturating, product.largest) for product in self._products
        )

    def run_exact(self, output: str, feed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Return an output of the graph as a processor computes it that sums in 32 bits."""
        return self._run(output, feed, {})

    def run(self, output: str, feed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Return an output of the graph as a processor computes it that adds pairs in 16 bits."""
        corrections: dict[str, NDArray[np.int32]] = {}
        activations: dict[str, NDArray[np.uint8]] = {}
        for product in self._products:  # in the order of the graph: what comes before a product is corrected already
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
    """One product of the graph and the few pairs of its weights that can leave 16 bits at all."""

    def __init__(self, node: onnx.NodeProto, weights: NDArray[np.int8]) -> None:
        self.name = str(node.name or node.output[0])
        self.activation = str(node.input[0])
        self.correction = f"{node.output[0]}_correction"
        self.pairs = self.saturating = self.largest = 0
        self._depth, self._width = len(weights) // 2, weights.shape[1]
        # An odd last row has no partner, and a product alone fits into 16 bits.
        pairs = weights[: 2 * self._depth].astype(np.int32).reshape(self._depth, 2, self._width)
        top = 255 * np.maximum(pairs, 0).sum(axis=1)
        bottom = 255 * np.minimum(pairs, 0).sum(axis=1)
        self._columns, at = np.nonzero(((top > _HIGHEST) | (bottom < _LOWEST)).T)
        self._first, self._second = 2 * at, 2 * at + 1
        self._weights = pairs[at, :, self._columns]

    def correct(self, activations: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Count the pairs of activations, shape (..., inputs), and return what they lose, shape (..., outputs)."""
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
    """Rewrite each product, in place, as integer sums, to which an input of the graph is added, and their scaling.

    Returns:
        The products, in the order of the graph; their activations are outputs of it now.
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
    # uint8 weights, 128 steps further up: the kernels for those are exact on every processor, this one included.
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
