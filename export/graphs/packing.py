"""Remove the padding inside the fp16 graph, for CUDA.

onnxruntime's RemovePadding packs the tokens of a batch behind one another after the embeddings, PackedAttention keeps
the messages apart, and RestorePadding puts the tokens back before the head. Everything between runs on real tokens
alone. The operators have no kernels for the CPU.
"""

from pathlib import Path

import onnx
from onnx import numpy_helper

from export.errors import ExportError
from export.graphs.conversion import quiet, require_operators
from export.graphs.shared_weights import SharedWeights

_DOMAINS = {"", "com.microsoft"}


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
    packed = {"PackedAttention": layers, "RemovePadding": 1, "RestorePadding": 1, "Attention": 0}
    require_operators(target, packed | {"BiasGelu": layers, "SkipLayerNormalization": 2 * layers})
    unknown = {node.domain for node in model.graph.node} - _DOMAINS
    if unknown:
        raise ExportError(
            f"{target.name} has operators of {', '.join(unknown)}; install the versions in constraints.txt"
        )


def _pack(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.transformers.convert_to_packing_mode import PackingMode  # noqa: PLC0415 - slow to import
    from onnxruntime.transformers.onnx_model import OnnxModel  # noqa: PLC0415

    with quiet():
        packing = PackingMode(OnnxModel(model))
        # Shape inference would write its guesses into the file; onnxruntime infers them itself.
        packing.convert(use_symbolic_shape_infer=False)
        packing.model.topological_sort()
    packed: onnx.ModelProto = packing.model.model
    return packed
