"""Convert a checkpoint to ONNX with Optimum: fp32, fused for the CPU, and fp16 for CUDA."""

import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import onnx
from optimum.exporters.onnx import main_export
from optimum.onnxruntime import AutoOptimizationConfig, ORTOptimizer
from optimum.onnxruntime.configuration import OptimizationConfig

from export.errors import ExportError
from export.graphs.first_token import continue_with_first_token

MODEL_NAME = "model.onnx"


def export_fp32(checkpoint: Path, folder: Path) -> Path:
    """Export the checkpoint in fp32, without Optimum's own validation; the parity gate is stricter."""
    with quiet():
        main_export(
            str(checkpoint),
            output=folder,
            task="text-classification",
            library_name="transformers",
            do_validation=False,
        )
    return folder / MODEL_NAME


def fuse_for_cpu(source: Path, folder: Path, *, layers: int) -> Path:
    """Fuse attention and Gelu of ``source/model.onnx`` (Optimum's O2), but not the layer norms.

    The attention is fused without its three input projections, so that these can be quantised like other layers.
    SkipLayerNormalization is not fused: onnxruntime runs it slower on a CPU than its two parts.

    Raises:
        ExportError: an operator was not fused exactly once per layer.
    """
    configuration = AutoOptimizationConfig.O2(disable_skip_layer_norm_fusion=True, use_multi_head_attention=True)
    path = _optimize(source, folder, configuration)
    expected = {"MultiHeadAttention": layers, "BiasGelu": layers, "LayerNormalization": 2 * layers + 1}
    require_operators(path, expected | {"SkipLayerNormalization": 0})
    return path


def fuse_as_it_comes(source: Path, folder: Path) -> Path:
    """Fuse ``source/model.onnx`` with Optimum's default O2, as a baseline."""
    return _optimize(source, folder, AutoOptimizationConfig.O2())


def fuse_as_o4(source: Path, folder: Path) -> Path:
    """Convert ``source/model.onnx`` to fp16 with Optimum's default O4, for comparison."""
    return _optimize(source, folder, _o4())


def convert_to_fp16(source: Path, folder: Path, *, layers: int) -> Path:
    """Apply all fusions, convert to fp16 with fp32 inputs and outputs, and narrow the last layer, for CUDA.

    This is Optimum's O4 without its Gelu approximation, whose error is several times that of fp16.

    Raises:
        ExportError: an operator was not fused exactly once per layer.
    """
    configuration = _o4()
    configuration.enable_gelu_approximation = False
    path = _optimize(source, folder, configuration)
    require_operators(path, {"Attention": layers, "BiasGelu": layers, "SkipLayerNormalization": 2 * layers})
    model = onnx.load(path)
    continue_with_first_token(model)
    onnx.save(model, path)
    return path


def count_operators(path: Path) -> dict[str, int]:
    """Count the nodes of a graph by operator."""
    return dict(Counter(node.op_type for node in onnx.load(path, load_external_data=False).graph.node))


def require_operators(path: Path, expected: Mapping[str, int]) -> None:
    """Check that a graph has exactly these operator counts.

    Raises:
        ExportError: a count differs: a library changed, and speed or accuracy would degrade silently.
    """
    found = count_operators(path)
    wrong = [f"{name} {found.get(name, 0)} instead of {n}" for name, n in expected.items() if found.get(name, 0) != n]
    if wrong:
        raise ExportError(
            f"{path.name}: unexpected operator counts: {', '.join(wrong)}; install the versions in constraints.txt"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress tracing and optimiser output of the libraries; their results are checked afterwards."""
    names = ("optimum", "onnxruntime", "transformers", "root")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _o4() -> OptimizationConfig:
    """Return Optimum's O4 with its Python fusions only, which are the same on every machine.

    Where onnxruntime has CUDA, O4 first optimises in a CUDA session. The Python fusion does not match its result.
    """
    configuration = AutoOptimizationConfig.O4()
    configuration.optimization_level = 0
    return configuration


def _optimize(source: Path, folder: Path, configuration: object) -> Path:
    with quiet():
        optimizer = ORTOptimizer.from_pretrained(source, file_names=[MODEL_NAME])
        optimizer.optimize(save_dir=folder, optimization_config=configuration, file_suffix="")
    return folder / MODEL_NAME
