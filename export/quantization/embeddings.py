"""Quantise embedding tables to int8 with one scale per row, and the most frequent rows to 16 bits.

Optimum's quantiser uses one scale per table, set by its largest value. Rows of a table are never added to each other,
so each can have its own scale: the same size, a fraction of the error. A second, short table stores the rounding errors
of the rows that are looked up most.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.quantization.rounding import FINER, LEVELS


def quantize_embeddings(model: onnx.ModelProto, fine_rows: Mapping[int, NDArray[np.int64]] | None = None) -> int:
    """Replace, in place, each lookup in a float table by a lookup in an int8 table times the scale of the row.

    Args:
        model: the graph to change.
        fine_rows: indices of the rows that get 16 bits, by row count of the table.

    Returns:
        Number of lookups replaced.
    """
    graph = model.graph
    tables = {tensor.name: tensor for tensor in graph.initializer if _is_table(tensor)}
    lookups = [node for node in graph.node if node.op_type == "Gather" and node.input[0] in tables]
    for node in lookups:
        table = tables[node.input[0]]
        writer = _Lookup(graph, node, table.name)
        writer.write(numpy_helper.to_array(table), (fine_rows or {}).get(table.dims[0]))
        writer.replace()
    used = {name for node in graph.node for name in node.input}
    for name in tables.keys() - used:
        graph.initializer.remove(tables[name])
    return len(lookups)


def rows_seen(token_ids: list[list[int]], *, count: int, size: int) -> NDArray[np.int64]:
    """Return the sorted indices of the most frequent tokens.

    Ties go to the lower index, because vocabularies are sorted by frequency.

    Args:
        token_ids: token ids by message.
        count: number of rows to choose.
        size: number of rows of the table.
    """
    seen = np.bincount(np.concatenate([np.asarray(ids, dtype=np.int64) for ids in token_ids]), minlength=size)
    return np.sort(np.argsort(-seen, kind="stable")[:count])


def _is_table(tensor: onnx.TensorProto) -> bool:
    return len(tensor.dims) == 2 and tensor.data_type == TensorProto.FLOAT  # shapes and masks are integers


class _Lookup:
    """Builds the nodes that replace one lookup."""

    def __init__(self, graph: onnx.GraphProto, node: onnx.NodeProto, table: str) -> None:
        self._graph = graph
        self._node = node
        self._table = table
        self._nodes: list[onnx.NodeProto] = []

    def write(self, table: NDArray[np.float32], fine_rows: NDArray[np.int64] | None) -> None:
        """Write the lookup of scaled rows, shape (batch, tokens, channels)."""
        largest = np.abs(table).max(axis=1, keepdims=True)
        scales = np.where(largest > 0, largest / LEVELS, 1).astype(np.float32)
        steps = np.rint(table / scales)
        ids = self._node.input[1]
        number = self._gather_as_float(steps.astype(np.int8), ids, "int8")
        if fine_rows is not None and len(fine_rows):
            left = np.rint((table / scales - steps)[fine_rows] * FINER).astype(np.int8)
            finer = self._gather_as_float(np.pad(left, ((0, 1), (0, 0))), self._places(fine_rows, len(table)), "left")
            fraction = self._initializer(np.float32(1 / FINER), "fraction")
            number = self._add("Add", [number, self._add("Mul", [finer, fraction], "finer")], "both")
        scale = self._add("Gather", [self._initializer(scales, "scales"), ids], "scale", axis=0)
        self._nodes.append(
            helper.make_node("Mul", [number, scale], [self._node.output[0]], name=f"{self._node.name}_mul")
        )

    def replace(self) -> None:
        """Insert the nodes in place of the lookup."""
        position = list(self._graph.node).index(self._node)
        self._graph.node.remove(self._node)
        for offset, node in enumerate(self._nodes):
            self._graph.node.insert(position + offset, node)

    def _places(self, fine_rows: NDArray[np.int64], rows: int) -> str:
        """Write the lookup of each token's row in the short table; its last row, of zeros, serves all other tokens."""
        places = np.full(rows, len(fine_rows), dtype=np.int16 if len(fine_rows) < 2**15 else np.int32)
        places[fine_rows] = np.arange(len(fine_rows))
        place = self._add("Gather", [self._initializer(places, "places"), self._node.input[1]], "place", axis=0)
        return self._add("Cast", [place], "place_of", to=TensorProto.INT32)

    def _gather_as_float(self, table: NDArray[np.int8], ids: str, name: str) -> str:
        row = self._add("Gather", [self._initializer(table, name), ids], f"row_{name}", axis=0)
        return self._add("Cast", [row], f"number_{name}", to=TensorProto.FLOAT)

    def _initializer(self, value: NDArray[np.generic] | np.generic, name: str) -> str:
        full = f"{self._table}_{name}"
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(value), full))
        return full

    def _add(self, op_type: str, inputs: list[str], name: str, **attributes: Any) -> str:
        output = f"{self._node.output[0]}_{name}"
        self._nodes.append(helper.make_node(op_type, inputs, [output], name=output, **attributes))
        return output
