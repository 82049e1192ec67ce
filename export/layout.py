"""What a bundle consists of: its files, and the manifest that names them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from export.checkpoint import Checkpoint
from export.provenance import provenance_of
from export.recipe import Recipe
from export.without_vnni import path_without_vnni
from spam_edge.bundle import sha256_of
from spam_edge.engine import CPU, CUDA
from spam_edge.fused import obstacle
from spam_edge.manifest import MANIFEST_NAME, BundleFile, Manifest, Variant
from spam_edge.normalization import NORMALIZER_NAME
from spam_edge.operating_points import BALANCED

SHIPPED = "int8"
"""The variant that temperature and threshold are fitted on: what runs everywhere."""
FUSED = "fused"
"""The same weights as one operator; left out where that cannot be run and so not be measured."""

_INT8_FILE = "onnx/model_quantized.onnx"
_FUSED_FILES: Mapping[str, Variant] = {
    FUSED: Variant("onnx/model_fused.onnx", (CPU,), 1, optimization="disabled", fused=True, weights=_INT8_FILE)
}
FILES: Mapping[str, Variant] = {
    **({} if obstacle() else _FUSED_FILES),
    SHIPPED: Variant(
        _INT8_FILE,
        (CPU,),
        1,
        optimization="disabled",
        without_vnni=path_without_vnni(Path(_INT8_FILE)).as_posix(),
    ),
    "fp16": Variant("onnx/model_fp16.onnx", (CUDA, CPU), 1),
    "fp32": Variant("onnx/model.onnx", (CPU, CUDA), 1),
}

ROUNDED = [variant for variant in (SHIPPED, FUSED) if variant in FILES]
"""What is made of the rounded weights."""
ROUNDED_FILES = sorted({file for variant in ROUNDED for file in FILES[variant].needs})


def draft_manifest(checkpoint: Checkpoint, folder: Path, recipe: Recipe, *, name: str, version: str) -> Manifest:
    """Return the manifest as far as it is known before anything was measured."""
    variants = {key: replace(variant, bytes=(folder / variant.file).stat().st_size) for key, variant in FILES.items()}
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
    """Return the manifest with other fields of a variant."""
    changed = replace(manifest.variants[variant], **changes)
    return replace(manifest, variants={**manifest.variants, variant: changed})


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, with the hashes of all files beside it."""
    complete = replace(manifest, files=_hash_files(folder))
    (folder / MANIFEST_NAME).write_text(complete.to_json(), encoding="utf-8")


def _hash_files(folder: Path) -> dict[str, BundleFile]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST_NAME)
    return {path.relative_to(folder).as_posix(): BundleFile(sha256_of(path), path.stat().st_size) for path in paths}
