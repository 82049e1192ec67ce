"""Move biases to where they cost less, without changing what the model says.

In attention, the bias of the keys adds the same number to all scores of a query, which softmax takes away again. That
of the values comes out of the attention as it is, because its weights sum to 1, so it can be part of the bias that
follows.
"""

import copy

import onnx
import torch
from onnx import helper, numpy_helper
from transformers import PreTrainedModel

from export.errors import ExportError


def without_key_and_value_biases(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy of a DistilBERT that computes the same, with biases of 0 for keys and values."""
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
    """Take, in place, the biases out of the fused attentions: the query's is added before, the others must be 0.

    Raises:
        ExportError: an attention is not of the form that Optimum writes.
    """
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for attention in [node for node in graph.node if node.op_type == "MultiHeadAttention"]:
        if len(attention.input) < 4 or attention.input[3] not in tensors:
            raise ExportError("an attention has no bias of its own; see constraints.txt")
        tensor = tensors[attention.input[3]]
        query, *others = numpy_helper.to_array(tensor).reshape(3, -1)
        if any(bias.any() for bias in others):
            raise ExportError("an attention has biases for keys or values; see constraints.txt")
        tensor.CopyFrom(numpy_helper.from_array(query.copy(), tensor.name))
        with_bias = f"{attention.input[0]}_with_bias"
        add = helper.make_node("Add", [attention.input[0], tensor.name], [with_bias], name=with_bias)
        graph.node.insert(list(graph.node).index(attention), add)
        attention.input[0], attention.input[3] = with_bias, ""


def split_bias_gelu(model: onnx.ModelProto) -> None:
    """Take, in place, fused BiasGelu apart: onnxruntime runs it slower on a CPU than an Add and a Gelu."""
    graph = model.graph
    for fused in [node for node in graph.node if node.op_type == "BiasGelu"]:
        with_bias = f"{fused.input[0]}_with_bias"
        add = helper.make_node("Add", list(fused.input), [with_bias], name=with_bias)
        gelu = helper.make_node("Gelu", [with_bias], list(fused.output), name=fused.name, domain=fused.domain)
        position = list(graph.node).index(fused)
        graph.node.remove(fused)
        graph.node.insert(position, gelu)
        graph.node.insert(position, add)
