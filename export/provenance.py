"""Record the provenance of a bundle in its manifest: training, weights, libraries and graphs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from export.checkpoint import WEIGHTS, Checkpoint
from export.graphs.conversion import count_operators
from export.quantization.recipe import Recipe
from spam_edge.bundle.hashes import sha256_of
from spam_edge.training.checkpoint import git_commit, versions

LIBRARIES = (
    "spam-edge", "torch", "transformers", "optimum", "optimum-onnx", "onnx", "onnxruntime", "onnxruntime-gpu", "numpy",
)  # fmt: skip
"""Libraries that determine the bundle. Of the two builds of onnxruntime, one is installed."""
_COUNTED = (
    "Attention",
    "MultiHeadAttention",
    "MatMulIntegerToFloat",
    "BiasGelu",
    "Gelu",
    "FastGelu",
    "LayerNormalization",
    "SkipLayerNormalization",
)


def provenance_of(checkpoint: Checkpoint, graphs: Mapping[str, Path], *, recipe: Recipe) -> dict[str, Any]:
    """Return everything that determines the contents of the bundle, from training and from this export.

    Args:
        checkpoint: exported checkpoint.
        graphs: ONNX file by variant.
        recipe: settings of the int8 file.
    """
    training = checkpoint.training
    kept = ("settings", "base_model", "corpus", "splits", "selection", "device", "precision", "git_commit", "versions")
    return {
        "training": {name: training[name] for name in kept if name in training},
        "export": {
            "weights_sha256": sha256_of(checkpoint.path / WEIGHTS),
            "git_commit": git_commit(),
            "versions": versions(LIBRARIES),
            "graphs": {variant: _describe(path) for variant, path in graphs.items()},
            "quantisation": recipe.describe(),
        },
    }


def _describe(path: Path) -> dict[str, Any]:
    counts = count_operators(path)
    opsets = {entry.domain or "ai.onnx": entry.version for entry in onnx.load(path).opset_import}
    return {"opset": opsets, "fused": {name: counts[name] for name in _COUNTED if name in counts}}
