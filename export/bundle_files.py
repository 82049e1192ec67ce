"""Files of a bundle, and the manifest that lists them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from export.checkpoint import Checkpoint
from export.graphs.without_vnni import path_without_vnni
from export.provenance import provenance_of
from export.quantization.recipe import Recipe
from spam_edge.bundle.hashes import sha256_of
from spam_edge.bundle.manifest import MANIFEST_NAME, BundleFile, Manifest, Variant
from spam_edge.decision.operating_points import BALANCED
from spam_edge.runtime.custom_operator import unavailable_reason
from spam_edge.runtime.providers import CPU, CUDA
from spam_edge.text.normalization import NORMALIZER_NAME

SHIPPED = "int8"
"""Variant that temperature and thresholds are fitted on; it runs on every CPU."""
FUSED = "fused"
"""The int8 model as one operator; left out where the operator cannot run and so cannot be measured."""

PACKED_FILE = "onnx/model_fp16_packed.onnx"
"""The fp16 file without padding, which runs on CUDA alone."""
_INT8_FILE = "onnx/model_quantized.onnx"
_FUSED_FILES: Mapping[str, Variant] = {
    FUSED: Variant("onnx/model_fused.onnx", (CPU,), 1, optimization="disabled", fused=True, weights=_INT8_FILE)
}
FILES: Mapping[str, Variant] = {
    **({} if unavailable_reason() else _FUSED_FILES),
    SHIPPED: Variant(
        _INT8_FILE,
        (CPU,),
        1,
        optimization="disabled",
        without_vnni=path_without_vnni(Path(_INT8_FILE)).as_posix(),
    ),
    "fp16": Variant("onnx/model_fp16.onnx", (CUDA, CPU), 1, packed=PACKED_FILE),
    "fp32": Variant("onnx/model.onnx", (CPU, CUDA), 1),
}

ROUNDED = [variant for variant in (SHIPPED, FUSED) if variant in FILES]
"""Variants with the rounded int8 weights."""
ROUNDED_FILES = sorted({file for variant in ROUNDED for file in FILES[variant].needs})


def draft_manifest(
    checkpoint: Checkpoint,
    folder: Path,
    recipe: Recipe,
    *,
    name: str,
    version: str,
    files: Mapping[str, Variant] = FILES,
) -> Manifest:
    """Return the manifest of these files before calibration: temperature 1, threshold 0.5, no metrics."""
    variants = {key: replace(variant, bytes=(folder / variant.file).stat().st_size) for key, variant in files.items()}
    return Manifest(
        name=name,
        version=version,
        labels=checkpoint.labels,
        positive_label=checkpoint.labels[1],
        max_length=checkpoint.max_length,
        pad_token_id=checkpoint.pad_token_id,
        inputs=("input_ids", "attention_mask"),
        output="logits",
        temperature=1.0,
        thresholds={BALANCED: 0.5},
        default_mode=BALANCED,
        normalizer=NORMALIZER_NAME,
        variants=variants,
        files=_hash_files(folder),
        provenance=provenance_of(
            checkpoint, {key: folder / variant.file for key, variant in variants.items()}, recipe=recipe
        ),
    )


def with_fields(manifest: Manifest, variant: str, **changes: Any) -> Manifest:
    """Return the manifest with changed fields of one variant."""
    changed = replace(manifest.variants[variant], **changes)
    return replace(manifest, variants={**manifest.variants, variant: changed})


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest with the hashes of all other files in the folder."""
    complete = replace(manifest, files=_hash_files(folder))
    (folder / MANIFEST_NAME).write_text(complete.to_json(), encoding="utf-8")


def _hash_files(folder: Path) -> dict[str, BundleFile]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST_NAME)
    return {path.relative_to(folder).as_posix(): BundleFile(sha256_of(path), path.stat().st_size) for path in paths}
