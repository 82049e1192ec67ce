"""Fused graph to int8 for the CPU, through Optimum's quantiser."""

import shutil
from pathlib import Path
from typing import Any

import onnx
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference
from optimum.onnxruntime import AutoQuantizationConfig, ORTQuantizer

from export.graph import MODEL_NAME, quiet, require_operators

RECIPE: dict[str, Any] = {
    "weights": "int8, symmetric, per channel",
    "activations": "uint8, dynamic, per tensor",
    "operators": "all MatMul, Attention, Gather and Gemm",
    "tool": "optimum ORTQuantizer, AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)",
}
_LINEARS_PER_LAYER = 3
_HEAD_LINEARS = 2


def quantize(fused: Path, target: Path, *, layers: int, scratch: Path) -> None:
    """Quantise a fused graph and write it, optimised for good, to ``target``.

    Args:
        fused: ``model.onnx`` as :func:`export.graph.fuse_for_cpu` leaves it, its ``config.json`` beside it.
        target: file to write.
        layers: number of transformer layers.
        scratch: empty folder for intermediate files.

    Raises:
        ExportError: not every linear layer and every attention was quantised.
    """
    typed = _with_shapes(fused, scratch / "typed")
    with quiet():
        quantizer = ORTQuantizer.from_pretrained(typed.parent, file_name=MODEL_NAME)
        # a new configuration for each run: the quantiser changes the one it is given
        configuration = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
        quantizer.quantize(save_dir=scratch / "int8", quantization_config=configuration, file_suffix="quantized")
    _optimize_offline(scratch / "int8" / "model_quantized.onnx", target)
    linears = _LINEARS_PER_LAYER * layers + _HEAD_LINEARS
    require_operators(target, {"QAttention": layers, "DynamicQuantizeMatMul": linears, "MatMul": 0, "Gemm": 0})


def _with_shapes(source: Path, folder: Path) -> Path:
    """Add the inferred types that the quantiser needs to know the weights of fused operators."""
    shutil.copytree(source.parent, folder)
    model = SymbolicShapeInference.infer_shapes(onnx.load(source), auto_merge=True)
    onnx.save(model, folder / MODEL_NAME)
    return folder / MODEL_NAME


def _optimize_offline(source: Path, target: Path) -> None:
    """Let onnxruntime fuse the quantised operators once, here, and not at every start.

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
