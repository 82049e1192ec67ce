"""Write the fp16 graph without padding, for CUDA.

The inputs are the concatenated tokens of all messages; see :func:`spam_edge.runtime.batching.pack_rows`. onnxruntime's
PackedAttention attends within each message. No padding is computed. The operator has no kernel for the CPU.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.errors import ExportError
from export.graphs.conversion import quiet, require_operators
from export.graphs.first_token import HEAD_READS
from export.graphs.shared_weights import SharedWeights
from spam_edge.runtime.batching import PACKED_INPUTS

_STARTS = "message_starts"
_TOKENS, _POSITIONS, _OFFSETS, _ENDS = PACKED_INPUTS
_SHAPES = {_TOKENS: ["tokens"], _POSITIONS: ["tokens"], _OFFSETS: ["rows", "width"], _ENDS: ["ends"]}
_TYPES = dict.fromkeys((_TOKENS, _POSITIONS), TensorProto.INT64)
_TYPES |= dict.fromkeys((_OFFSETS, _ENDS), TensorProto.INT32)


def write_packed(fp16_file: Path, target: Path, *, layers: int) -> None:
    """Write the packed form of the fp16 graph beside it. It reads its weights from the fp16 file.

    Args:
        fp16_file: file written by :func:`export.graphs.conversion.convert_to_fp16`.
        target: file to write, in the same folder.
        layers: number of transformer layers.

    Raises:
        ExportError: the graph does not have the form that the conversion to fp16 writes.
    """
    model = _pack(onnx.load(fp16_file))
    weights = SharedWeights(fp16_file)
    for tensor in model.graph.initializer:
        weights.add(tensor.name, numpy_helper.to_array(tensor))
    del model.graph.initializer[:]
    model.graph.initializer.extend(weights.tensors)
    onnx.save(model, target)
    require_operators(target, {"PackedAttention": layers, "RemovePadding": 0, "RestorePadding": 0, "Attention": 0})


def _pack(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.transformers.convert_to_packing_mode import PackingMode  # noqa: PLC0415 - slow to import
    from onnxruntime.transformers.onnx_model import OnnxModel  # noqa: PLC0415

    with quiet():
        packing = PackingMode(OnnxModel(model))
        # Shape inference would write its guesses into the file; onnxruntime infers them itself.
        packing.convert(use_symbolic_shape_infer=False)
        _take_packed_inputs(packing.model.model)
        packing.model.prune_graph()
        packing.model.topological_sort()
    packed: onnx.ModelProto = packing.model.model
    return packed


def _take_packed_inputs(model: onnx.ModelProto) -> None:
    """Replace the inputs by packed ones, in place of RemovePadding, and read the first tokens from packed rows.

    RemovePadding computes its offsets on one thread of the GPU, which took a seventh of the time of the model.
    """
    graph = model.graph
    nodes = {
        kind: [node for node in graph.node if node.op_type == kind] for kind in ("RemovePadding", "RestorePadding")
    }
    heads = [node for node in graph.node if node.output[0] in HEAD_READS]
    words = [node for node in graph.node if node.op_type == "Gather" and node.input[1] == "input_ids"]
    sums = [node for node in graph.node if words and words[0].output[0] in node.input and node.op_type == "Add"]
    places = [node for node in graph.node if sums and node.op_type == "Gather" and node.output[0] in sums[0].input]
    places = [node for node in places if node not in words]
    if [len(each) for each in (*nodes.values(), heads, words, places)] != [1, 1, 2, 1, 1]:
        raise ExportError("the fp16 graph has an unexpected form; install the versions in constraints.txt")
    [remove], [restore] = nodes.values()
    words[0].input[1], places[0].input[1] = _TOKENS, _POSITIONS
    bounds = {f"{_STARTS}_{name}": np.array([value]) for name, value in (("from", 0), ("to", -1))}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in bounds.items())
    graph.node.append(helper.make_node("Slice", [_ENDS, *bounds], [_STARTS], name=_STARTS))
    renamed = dict(zip(remove.output[:3], (remove.input[0], _OFFSETS, _ENDS), strict=True))
    renamed[restore.output[0]] = restore.input[0]
    for node in heads:
        node.input[1] = _STARTS
        node.attribute[0].i = 0  # axis
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    for node in (remove, restore):
        graph.node.remove(node)
    del graph.input[:]
    graph.input.extend(helper.make_tensor_value_info(name, _TYPES[name], _SHAPES[name]) for name in PACKED_INPUTS)
