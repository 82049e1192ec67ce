"""Compute the last layer only for the token that is classified.

The head of DistilBERT reads only the first token of the last layer. The other tokens need only keys and values there,
so the result is the same for less work.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.errors import ExportError

_FIRST = "first_token"
# Every message has at least two tokens, [CLS] and [SEP]. With a single query, onnxruntime uses attention kernels whose
# summation order depends on the padding, and scores would not be bit-identical.
_KEPT = 2
HEAD_READS = ("first_token_context", "first_token_residual")
"""Outputs of the nodes that :func:`continue_with_first_token` adds, each of shape (rows, hidden)."""


def keep_first_token(model: onnx.ModelProto) -> None:
    """Narrow, in place, the last layer of a graph with fused attention to the first two tokens.

    Raises:
        ExportError: the graph does not have the form that Optimum writes.
    """
    graph = model.graph
    producer = {name: node for node in graph.node for name in node.output}
    attentions = [node for node in graph.node if node.op_type == "MultiHeadAttention"]
    if not attentions:
        raise ExportError("the graph has no MultiHeadAttention; install the versions in constraints.txt")
    query, keys, values = (producer[name] for name in attentions[-1].input[:3])
    hidden = query.input[0]
    readers = [node for node in graph.node if hidden in node.input and node not in (keys, values)]
    if {query.op_type, keys.op_type, values.op_type} != {"MatMul"} or [node.op_type for node in readers] not in (
        ["MatMul", "Add"],
        ["Add", "MatMul"],
    ):
        raise ExportError("the last layer has an unexpected form; install the versions in constraints.txt")
    bounds = {f"{_FIRST}_{name}": np.array([value]) for name, value in (("from", 0), ("to", _KEPT), ("axis", 1))}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in bounds.items())
    narrow = helper.make_node("Slice", [hidden, *bounds], [_FIRST], name=_FIRST)
    for node in readers:
        node.input[:] = [_FIRST if name == hidden else name for name in node.input]
    position = min(list(graph.node).index(node) for node in readers)
    graph.node.insert(position, narrow)


def continue_with_first_token(model: onnx.ModelProto) -> None:
    """Take, in place, the first token of each row directly after the last ``Attention``, for the fp16 file.

    ``Attention`` computes queries, keys and values in one product, for all tokens. What follows it is computed for the
    first token alone.

    Raises:
        ExportError: the graph does not have the form that Optimum writes.
    """
    graph = model.graph
    readers = {name: [node for node in graph.node if name in node.input] for node in graph.node for name in node.output}
    attentions = [node for node in graph.node if node.op_type == "Attention"]
    normalizations = [node for node in graph.node if node.op_type == "SkipLayerNormalization"]
    if not attentions or len(normalizations) < 2:
        raise ExportError("the graph has no fused layer; install the versions in constraints.txt")
    context, hidden = attentions[-1].output[0], attentions[-1].input[0]
    first, last = normalizations[-2:]
    heads = readers[last.output[0]]
    if [node.op_type for node in heads] != ["Gather"] or hidden not in first.input or len(readers[context]) != 1:
        raise ExportError("the last layer has an unexpected form; install the versions in constraints.txt")
    [gather] = heads
    for source, name, reader in zip((context, hidden), HEAD_READS, (readers[context][0], first), strict=True):
        node = helper.make_node("Gather", [source, gather.input[1]], [name], name=name, axis=1)
        graph.node.insert(list(graph.node).index(reader), node)
        reader.input[:] = [name if each == source else each for each in reader.input]
    for node in readers[gather.output[0]]:
        node.input[:] = [last.output[0] if each == gather.output[0] else each for each in node.input]
    graph.node.remove(gather)
