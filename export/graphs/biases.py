"""Move biases to where they cost less, without changing the logits.

The key bias adds the same number to all scores of a query, which softmax cancels. The value bias passes through
attention unchanged, because attention weights sum to 1, so it is folded into the bias of the output projection.
"""

import copy

import onnx
import torch
from onnx import helper, numpy_helper
from transformers import PreTrainedModel

from export.errors import ExportError


def without_key_and_value_biases(model: PreTrainedModel) -> PreTrainedModel:
    """Return an equivalent copy of a DistilBERT whose key and value biases are 0."""
    moved: PreTrainedModel = copy.deepcopy(model)
    with torch.no_grad():
        for layer in moved.get_submodule("distilbert.transformer.layer").children():
            attention = layer.get_submodule("attention")
            output = attention.get_submodule("out_lin")
            values = attention.get_parameter("v_lin.bias")
            output.get_parameter("bias").add_(output.get_parameter("weight") @ values)
            values.zero_()
            attention.get_parameter("k_lin.bias").zero_()
    return moved


def add_query_biases_first(model: onnx.ModelProto) -> None:
    """Move, in place, the query bias of each fused attention into an Add before it; the other biases must be 0.

    Raises:
        ExportError: an attention does not have the form that Optimum writes.
    """
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for attention in [node for node in graph.node if node.op_type == "MultiHeadAttention"]:
        if len(attention.input) < 4 or attention.input[3] not in tensors:
            raise ExportError("the graph has a fused attention without bias; install the versions in constraints.txt")
        tensor = tensors[attention.input[3]]
        query, *others = numpy_helper.to_array(tensor).reshape(3, -1)
        if any(bias.any() for bias in others):
            raise ExportError(
                "the graph has a fused attention with key or value biases; install the versions in constraints.txt"
            )
        tensor.CopyFrom(numpy_helper.from_array(query.copy(), tensor.name))
        with_bias = f"{attention.input[0]}_with_bias"
        add = helper.make_node("Add", [attention.input[0], tensor.name], [with_bias], name=with_bias)
        graph.node.insert(list(graph.node).index(attention), add)
        attention.input[0], attention.input[3] = with_bias, ""


def split_bias_gelu(model: onnx.ModelProto) -> None:
    """Split, in place, each BiasGelu into Add and Gelu, which onnxruntime runs faster on a CPU."""
    graph = model.graph
    for fused in [node for node in graph.node if node.op_type == "BiasGelu"]:
        with_bias = f"{fused.input[0]}_with_bias"
        add = helper.make_node("Add", list(fused.input), [with_bias], name=with_bias)
        gelu = helper.make_node("Gelu", [with_bias], list(fused.output), name=fused.name, domain=fused.domain)
        position = list(graph.node).index(fused)
        graph.node.remove(fused)
        graph.node.insert(position, gelu)
        graph.node.insert(position, add)
