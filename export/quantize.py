"""Checkpoint to int8 for the CPU: rounded weights, Optimum's quantiser, one activation scale per token."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference
from optimum.onnxruntime import AutoQuantizationConfig, ORTQuantizer

from export.checkpoint import Checkpoint
from export.embeddings import quantize_embeddings
from export.errors import ExportError
from export.graph import MODEL_NAME, export_fp32, fuse_for_cpu, quiet, require_operators
from export.per_token import use_token_scales
from export.reference import PyTorchReference
from export.rounding import CALIBRATION_TEXTS, DAMPINGS, round_linear_layers

RECIPE: dict[str, Any] = {
    "weights": "int8, symmetric, per output channel, rounded with GPTQ",
    "activations": "uint8, dynamic, per token; symmetric but after Gelu",
    "embeddings": "int8, symmetric, per row",
    "head": "fp32",
    "calibration_texts": CALIBRATION_TEXTS,
    "tool": "optimum ORTQuantizer, AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)",
}
_LINEARS_PER_LAYER = 6
_TABLES = 2  # words and positions


def quantize(
    checkpoint: Checkpoint,
    reference: PyTorchReference,
    texts: Sequence[str],
    target: Path,
    *,
    scratch: Path,
    damping: float = DAMPINGS[0],
) -> None:
    """Write the int8 file, optimised for good.

    Args:
        checkpoint: what is exported.
        reference: its model.
        texts: messages of the training split, to calibrate the rounding with.
        target: file to write.
        scratch: empty folder for intermediate files.
        damping: see :func:`export.rounding.round_weights`.

    Raises:
        ExportError: the messages are too few, or not every linear layer was fused and quantised as relied on.
    """
    rounded = round_linear_layers(reference, texts, damping=damping)
    rounded.save_pretrained(scratch / "rounded")
    exported = export_fp32(scratch / "rounded", scratch / "exported")
    fused = fuse_for_cpu(exported.parent, scratch / "fused", layers=checkpoint.layers)
    heads = _add_types(fused)
    with quiet():
        quantizer = ORTQuantizer.from_pretrained(fused.parent, file_name=MODEL_NAME)
        # a new configuration for each run: the quantiser changes the one it is given
        configuration = AutoQuantizationConfig.avx512_vnni(
            is_static=False, per_channel=True, operators_to_quantize=["MatMul"], nodes_to_exclude=heads
        )
        quantizer.quantize(save_dir=scratch / "int8", quantization_config=configuration, file_suffix="quantized")
    _finish(scratch / "int8" / "model_quantized.onnx", target, layers=checkpoint.layers)


def _add_types(path: Path) -> list[str]:
    """Add the inferred types without which the quantiser does not know the weights beside fused operators.

    Returns:
        Names of the products of the classification head, as the quantiser will call them.
    """
    model = SymbolicShapeInference.infer_shapes(onnx.load(path), auto_merge=True)
    onnx.save(model, path)
    return [f"{node.name}_MatMul" for node in model.graph.node if node.op_type == "Gemm"]


def _finish(source: Path, target: Path, *, layers: int) -> None:
    model = onnx.load(source)
    linears = use_token_scales(model)
    tables = quantize_embeddings(model)
    if (linears, tables) != (_LINEARS_PER_LAYER * layers, _TABLES):
        raise ExportError(f"{linears} linear layers and {tables} embedding tables were quantised; see constraints.txt")
    onnx.save(model, source)
    _optimize_offline(source, target)
    require_operators(
        target,
        {"MatMulIntegerToFloat": linears, "MultiHeadAttention": layers, "MatMul": 0, "DynamicQuantizeLinear": 0},
    )


def _optimize_offline(source: Path, target: Path) -> None:
    """Let onnxruntime optimise the graph once, here, and not at every start.

    Its layer-norm fusion stays off (see :func:`export.graph.fuse_for_cpu`); the runtime opens the file with
    optimisations disabled, so that it does not come back.
    """
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    InferenceSession(
        str(source), options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
    )
