"""Remove the padding inside the fp16 graph, for CUDA.

onnxruntime's RemovePadding packs the tokens of a batch behind one another after the embeddings, and PackedAttention
keeps the messages apart. Everything that follows runs on real tokens alone. The head reads the first token of each
message, so nothing has to restore the padding. The operators have no kernels for the CPU.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.errors import ExportError
from export.graphs.conversion import quiet, require_operators
from export.graphs.first_token import HEAD_READS, continue_with_first_token
from export.graphs.shared_weights import SharedWeights

_DOMAINS = {"", "com.microsoft"}
_STARTS = "message_starts"


def write_packed(fp16_file: Path, target: Path, *, layers: int) -> None:
    """Write the packed form of the fp16 graph beside it. It reads its weights from the fp16 file.

    Args:
        fp16_file: file written by :func:`export.graphs.conversion.convert_to_fp16`.
        target: file to write, in the same folder.
        layers: number of transformer layers.

    Raises:
        ExportError: an operator was not converted exactly once per layer, or is of an unknown domain.
    """
    model = _pack(onnx.load(fp16_file))
    weights = SharedWeights(fp16_file)
    for tensor in model.graph.initializer:
        weights.add(tensor.name, numpy_helper.to_array(tensor))
    del model.graph.initializer[:]
    model.graph.initializer.extend(weights.tensors)
    onnx.save(model, target)
    packed = {"PackedAttention": layers, "RemovePadding": 1, "RestorePadding": 0, "Attention": 0}
    require_operators(target, packed | {"BiasGelu": layers, "SkipLayerNormalization": 2 * layers})
    unknown = {node.domain for node in model.graph.node} - _DOMAINS
    if unknown:
        raise ExportError(
            f"{target.name} has operators of {', '.join(unknown)}; install the versions in constraints.txt"
        )


def _pack(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.transformers.convert_to_packing_mode import PackingMode  # noqa: PLC0415 - slow to import
    from onnxruntime.transformers.onnx_model import OnnxModel  # noqa: PLC0415

    if not any(HEAD_READS[0] in node.output for node in model.graph.node):  # a bundle of spam-edge 0.1
        continue_with_first_token(model)
    with quiet():
        packing = PackingMode(OnnxModel(model))
        # Shape inference would write its guesses into the file; onnxruntime infers them itself.
        packing.convert(use_symbolic_shape_infer=False)
        packing.model.topological_sort()
    packed: onnx.ModelProto = packing.model.model
    if any(node.op_type == "RemovePadding" for node in packed.graph.node):  # else the caller says what is missing
        _keep_packed(packed)
    return packed


def _keep_packed(model: onnx.ModelProto) -> None:
    """Take the first tokens from the packed rows, at the offsets of the messages, and remove RestorePadding."""
    graph = model.graph
    [remove], [restore] = (
        [node for node in graph.node if node.op_type == name] for name in ("RemovePadding", "RestorePadding")
    )
    bounds = {f"{_STARTS}_{name}": np.array([value]) for name, value in (("from", 0), ("to", -1))}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in bounds.items())
    ends = remove.output[2]  # 0 and the number of tokens up to each message, shape (rows + 1,)
    starts = helper.make_node("Slice", [ends, *bounds], [_STARTS], name=_STARTS)
    graph.node.insert(list(graph.node).index(remove) + 1, starts)
    for node in graph.node:
        if node.output[0] in HEAD_READS:
            node.input[1] = _STARTS
            node.attribute[0].i = 0  # axis
        node.input[:] = [restore.input[0] if name == restore.output[0] else name for name in node.input]
    graph.node.remove(restore)
