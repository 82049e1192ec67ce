"""Keep activations between products as matrices, one row per token, without restoring the batch dimension.

Products take and return matrices; the graph around them has separate batch and token dimensions. Add, Gelu and layer
norm work on rows, so each Reshape between them can go, which saves one operator per run.
"""

import onnx
from onnx import helper

_ROW_WISE = ("Add", "Gelu", "LayerNormalization")


def keep_rows_flat(model: onnx.ModelProto) -> None:
    """Remove, in place, each Reshape between row-wise operators or products.

    Args:
        model: graph written by :func:`export.quantization.per_token.use_token_scales`, whose names of shapes and rows
            are relied on.
    """
    flattener = _Flattener({tensor.name for tensor in model.graph.initializer})
    for node in model.graph.node:
        flattener.take(node)
    del model.graph.node[:]
    model.graph.node.extend(flattener.nodes)


class _Flattener:
    """Rewrites the nodes of a graph in order."""

    def __init__(self, constants: set[str]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._constants = constants
        self._rows_of: dict[str, str] = {}  # activation -> its rows
        self._shape_of: dict[str, str] = {}  # activation that exists only as rows -> its shape
        self._given_back: set[str] = set()
        self._same: dict[str, str] = {}  # rows -> identical rows written earlier

    def take(self, node: onnx.NodeProto) -> None:
        """Append a node, rewritten if necessary, or drop it."""
        activations = [name for name in node.input if name and name not in self._constants]
        if node.op_type == "Reshape" and node.output[0].endswith("_flat"):
            rows = self._rows_of.setdefault(node.input[0], node.output[0])
            if rows == node.output[0]:
                self.nodes.append(node)
            self._same[node.output[0]] = rows
        elif node.op_type == "Reshape" and node.input[1].startswith("batch_of_"):
            self._rows_of[node.output[0]] = node.input[0]
            self._shape_of[node.output[0]] = node.input[1]
        elif node.op_type in _ROW_WISE and all(name in self._rows_of for name in activations):
            self._take_rows(node, activations)
        else:
            for name in activations:
                self._give_back_batch(name)
            node.input[:] = [self._same.get(name, name) for name in node.input]
            self.nodes.append(node)

    def _take_rows(self, node: onnx.NodeProto, activations: list[str]) -> None:
        [output] = node.output
        self._rows_of[output] = f"{output}_rows"
        self._shape_of[output] = next(self._shape_of[name] for name in activations if name in self._shape_of)
        node.input[:] = [self._rows_of.get(name, name) for name in node.input]
        node.output[:] = [self._rows_of[output]]
        self.nodes.append(node)

    def _give_back_batch(self, name: str) -> None:
        if name in self._shape_of and name not in self._given_back:
            self._given_back.add(name)
            inputs = [self._rows_of[name], self._shape_of[name]]
            self.nodes.append(helper.make_node("Reshape", inputs, [name], name=f"{name}_with_batch"))
