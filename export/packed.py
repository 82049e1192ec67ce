"""``python -m export.packed``: add the fp16 graph without padding to a bundle.

It runs on CUDA alone, so that only a machine with CUDA can check it. No other command writes it, and ``auto`` does not
take it.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from export.bundle_files import FILES, write_manifest
from export.checkpoint import Checkpoint
from export.command_options import bundle_option
from export.graphs.conversion import count_operators
from export.graphs.packing import write_packed
from export.parity.gate import FP16_BAND, Parity, compare, format_table, require_parity
from export.parity.measure import batch_dependence, open_variant
from export.reference import PyTorchReference
from export.report.measurements import limits_of, replay_limits
from spam_edge.atomic import atomic_directory
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.hashes import sha256_of
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import BundleFile, Manifest, Variant
from spam_edge.classifier import SpamClassifier
from spam_edge.decision.comparison import Decision
from spam_edge.diagnostics.verify import PARITY_NAME
from spam_edge.errors import SpamEdgeError
from spam_edge.escapes import one_line
from spam_edge.runtime.providers import CUDA

PACKED = "fp16_packed"
_FP16_FILE = FILES["fp16"].file
_FILE = "onnx/model_fp16_packed.onnx"


@click.command(
    epilog="Example: python -m export.packed --bundle artifacts/bundle --checkpoint artifacts/checkpoint",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@bundle_option
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="Checkpoint of the bundle. With it the gate has the test split, too; without it, only the golden messages.",
)
def main(bundle: Path, checkpoint: Path | None) -> None:
    """Add the variant fp16_packed to a bundle, checked against PyTorch on this machine's GPU.

    An existing bundle stays until the gate has passed. Exit code 1 means that it is unchanged.
    """
    try:
        found = Bundle.find(bundle)
        parities = add_packed(found, None if checkpoint is None else Checkpoint.read(checkpoint))
    except (SpamEdgeError, OSError) as error:
        click.echo(f"Error: {one_line(str(error))}", err=True)
        sys.exit(1)
    click.echo(format_table(parities), err=True)
    click.echo(one_line(f"{PACKED} added to {bundle}"), err=True)


def add_packed(bundle: Bundle, checkpoint: Checkpoint | None) -> list[Parity]:
    """Write the packed graph, check it on CUDA, and replace the bundle by one with this variant.

    Args:
        bundle: a finished bundle with an fp16 file.
        checkpoint: the checkpoint that it was made from; its test split is measured, too.

    Returns:
        The differences from PyTorch.

    Raises:
        ProviderUnavailableError: CUDA is not usable.
        ExportError: the bundle was made from another checkpoint, a conversion failed, or the gate failed.
    """
    bundle.verify()
    if checkpoint is not None:
        checkpoint.require_bundle(bundle)
    golden = Golden.read(bundle)
    with atomic_directory(bundle.path) as folder:
        shutil.copytree(bundle.path, folder, dirs_exist_ok=True)
        layers = count_operators(folder / _FP16_FILE)["Attention"]
        write_packed(folder / _FP16_FILE, folder / _FILE, layers=layers)
        manifest = _with_packed(bundle.manifest, folder)
        classifier = open_variant(folder, manifest, PACKED, device="cuda")
        parities = list(_measure(classifier, golden, checkpoint))
        require_parity(parities)
        _write_parity(folder / PARITY_NAME, parities, batch_dependence(classifier, golden), manifest)
        write_manifest(folder, manifest)
    return parities


def _with_packed(manifest: Manifest, folder: Path) -> Manifest:
    path = folder / _FILE
    file = BundleFile(sha256_of(path), path.stat().st_size)
    variant = Variant(_FILE, (CUDA,), file.bytes, error_band=FP16_BAND, weights=_FP16_FILE)
    others = {name: each for name, each in manifest.variants.items() if name != PACKED}
    # The last one: `auto` takes the first variant that is made for the device.
    return replace(manifest, variants={**others, PACKED: variant}, files={**manifest.files, _FILE: file})


def _measure(classifier: SpamClassifier, golden: Golden, checkpoint: Checkpoint | None) -> Iterator[Parity]:
    sets: dict[str, tuple[list[str], NDArray[np.float32]]] = {"golden": (golden.texts, golden.logits)}
    if checkpoint is not None:
        reference = PyTorchReference(checkpoint.path, max_length=checkpoint.max_length)
        sets["test"] = checkpoint.test.texts, reference.logits(checkpoint.test.texts)
    decision = Decision.of(classifier.manifest)
    for rows, (texts, expected) in sets.items():
        yield compare(PACKED, rows, measured=classifier.logits(texts), reference=expected, decision=decision)


def _write_parity(path: Path, parities: list[Parity], batching: float, manifest: Manifest) -> None:
    """Add the measurements to ``parity.json``, from which ``spam-edge verify`` takes its limits."""
    content = json.loads(path.read_bytes())
    golden = next(parity for parity in parities if parity.rows == "golden")
    others = [row for row in content["measured"] if row["variant"] != PACKED]
    content["measured"] = others + [parity.to_dict() for parity in parities]
    content["gate"][PACKED] = limits_of(PACKED)
    content["batching"][PACKED] = {"n": golden.n, "max_abs_dp": batching}
    content["replay_limits"][PACKED] = replay_limits(golden, batching, temperature=manifest.temperature)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(prog_name="python -m export.packed")
