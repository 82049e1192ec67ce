"""Quantise a checkpoint to int8 for the CPU: rounded weights, Optimum's quantiser, one scale per token."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference
from optimum.onnxruntime import AutoQuantizationConfig, ORTQuantizer

from export.checkpoint import Checkpoint
from export.errors import ExportError
from export.graphs.biases import add_query_biases_first, split_bias_gelu, without_key_and_value_biases
from export.graphs.conversion import MODEL_NAME, export_fp32, fuse_for_cpu, quiet, require_operators
from export.graphs.first_token import keep_first_token
from export.graphs.flat_rows import keep_rows_flat
from export.graphs.without_vnni import write_without_vnni
from export.quantization.activations import watch_linear_layers
from export.quantization.embeddings import quantize_embeddings, rows_seen
from export.quantization.fused import write_fused
from export.quantization.per_token import use_token_scales
from export.quantization.recipe import Recipe
from export.quantization.rounding import RoundedLinear, round_linear_layers, with_rounded_weights
from export.reference import PyTorchReference

_SLOWER_FUSED = ["SkipLayerNormFusion", "BiasGeluFusion"]
_TABLES = 2  # word and position embeddings


class Quantizer:
    """Writes int8 files of one checkpoint; calibration runs once."""

    def __init__(self, checkpoint: Checkpoint, reference: PyTorchReference) -> None:
        """Collect activation statistics on messages of the training split.

        Raises:
            ExportError: the training split has too few messages.
        """
        self._checkpoint = checkpoint
        self._reference = reference.with_model(without_key_and_value_biases(reference.model))
        self._activations = watch_linear_layers(self._reference, checkpoint.train.texts)

    def write(self, target: Path, recipe: Recipe, *, fused: Path | None = None) -> None:
        """Write an int8 file, optimised offline, and beside it the graph for processors without VNNI.

        Args:
            target: file to write; :func:`export.graphs.without_vnni.path_without_vnni` gives the path of the other.
            recipe: settings of the quantisation.
            fused: where to write the single-operator graph, in the same folder; see :mod:`export.quantization.fused`.

        Raises:
            ExportError: a linear layer was not fused and quantised as expected.
        """
        layers = round_linear_layers(self._reference.model, self._activations, recipe)
        with TemporaryDirectory(prefix="spam-edge-int8-") as name:
            scratch = Path(name)
            quantized = self._quantize(layers, scratch)
            model = onnx.load(quantized)
            self._rewrite(model, layers, recipe)
            onnx.save(model, quantized)
            _optimize_offline(quantized, target)
        fine = sum(layer.limit is not None for layer in layers.values())
        attentions = self._checkpoint.layers
        require_operators(
            target,
            {"MatMulIntegerToFloat": len(layers) + fine, "MultiHeadAttention": attentions, "DynamicQuantizeLinear": 0},
        )
        write_without_vnni(target)
        if fused is not None:
            write_fused(target, fused, model=self._reference.model, layers=layers)

    def _quantize(self, layers: Mapping[str, RoundedLinear], scratch: Path) -> Path:
        """Export, fuse and quantise the rounded weights with Optimum."""
        with_rounded_weights(self._reference.model, layers).save_pretrained(scratch / "rounded")
        exported = export_fp32(scratch / "rounded", scratch / "exported")
        fused = fuse_for_cpu(exported.parent, scratch / "fused", layers=self._checkpoint.layers)
        excluded = _prepare(fused)
        return run_quantizer(fused, scratch / "int8", operators_to_quantize=["MatMul"], nodes_to_exclude=excluded)

    def _rewrite(self, model: onnx.ModelProto, layers: Mapping[str, RoundedLinear], recipe: Recipe) -> None:
        linears = use_token_scales(model, layers)
        keep_rows_flat(model)
        tables = quantize_embeddings(model, self._fine_rows(recipe))
        if (linears, tables) != (len(layers), _TABLES):
            raise ExportError(
                f"quantised {linears} of {len(layers)} linear layers and {tables} of {_TABLES} embedding tables; "
                "install the versions in constraints.txt"
            )

    @cached_property
    def _token_ids(self) -> list[list[int]]:
        return self._reference.token_ids(self._checkpoint.train.texts)

    def _fine_rows(self, recipe: Recipe) -> dict[int, NDArray[np.int64]]:
        """Choose the rows of both tables that get 16 bits: frequent tokens, and positions up to the token limit."""
        if not recipe.fine_tokens:
            return {}
        words = self._checkpoint.config["vocab_size"]
        positions = self._checkpoint.config["max_position_embeddings"]
        return {
            words: rows_seen(self._token_ids, count=recipe.fine_tokens, size=words),
            positions: np.arange(min(positions, self._checkpoint.max_length)),
        }


def run_quantizer(fused: Path, folder: Path, **settings: list[str]) -> Path:
    """Quantise a fused graph with Optimum: dynamic int8, one scale per output channel.

    Args:
        fused: ``model.onnx``, with types inferred.
        folder: output folder.
        settings: further arguments of ``AutoQuantizationConfig.avx512_vnni``.
    """
    with quiet():
        quantizer = ORTQuantizer.from_pretrained(fused.parent, file_name=MODEL_NAME)
        # The quantiser modifies its configuration, so each run needs a new one.
        configuration = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True, **settings)
        quantizer.quantize(save_dir=folder, quantization_config=configuration, file_suffix="quantized")
    return folder / "model_quantized.onnx"


def infer_types(path: Path, model: onnx.ModelProto | None = None) -> onnx.ModelProto:
    """Infer the types of the graph at ``path``; without them the quantiser misses weights beside fused operators."""
    model = SymbolicShapeInference.infer_shapes(model or onnx.load(path), auto_merge=True)
    onnx.save(model, path)
    return model


def _prepare(path: Path) -> list[str]:
    """Apply the equivalent rewrites to a fused graph.

    Returns:
        Names of the products of the classification head, as the quantiser will call them.
    """
    model = onnx.load(path)
    keep_first_token(model)
    add_query_biases_first(model)
    split_bias_gelu(model)
    return [f"{node.name}_MatMul" for node in infer_types(path, model).graph.node if node.op_type == "Gemm"]


def _optimize_offline(source: Path, target: Path) -> None:
    """Optimise the graph with onnxruntime at export instead of at every start.

    Fusions of layer norm and Gelu stay off (see :func:`export.graphs.conversion.fuse_for_cpu`). The runtime opens the
    file with optimisations disabled, so that they stay off.
    """
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    InferenceSession(str(source), options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER_FUSED)
