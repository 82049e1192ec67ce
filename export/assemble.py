"""Put a bundle together: convert, calibrate, pass the gate, describe, and give it its name at the very end."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.calibration import choose_threshold, fit_temperature
from export.card import write_card
from export.checkpoint import TOKENIZER_FILES, Checkpoint
from export.errors import ExportError, GateError
from export.gate import LIMITS, Decision, Parity, compare, format_table, require_parity
from export.golden import make_golden, write_golden
from export.graph import convert_to_fp16, export_fp32
from export.provenance import provenance_of
from export.quantize import quantize
from export.reference import PyTorchReference
from spam_edge.atomic import atomic_directory, is_replaceable
from spam_edge.bundle import Bundle, sha256_of
from spam_edge.classifier import SpamClassifier
from spam_edge.engine import CPU, CUDA
from spam_edge.manifest import MANIFEST_NAME, BundleFile, Manifest, Variant
from spam_edge.session import RuntimeOptions
from spam_edge.training.metrics import spam_metrics
from spam_edge.verification import PARITY_NAME, Golden, verify_bundle

SHIPPED = "int8"
"""The variant that temperature and threshold are fitted on: the one that most users run."""
MODE = "balanced"

_FILES: Mapping[str, Variant] = {
    "int8": Variant("onnx/model_quantized.onnx", (CPU,), 1, optimization="disabled"),
    "fp16": Variant("onnx/model_fp16.onnx", (CUDA, CPU), 1),
    "fp32": Variant("onnx/model.onnx", (CPU, CUDA), 1),
}

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Logits:
    """Logits of one engine on the three sets of messages, each of shape (messages, 2)."""

    validation: NDArray[np.float32]
    test: NDArray[np.float32]
    golden: NDArray[np.float32]


def export_bundle(source: Path, target: Path, *, name: str, version: str, report: Report) -> None:
    """Export the checkpoint at ``source`` to a bundle at ``target``; what stood there stays until the end.

    Args:
        source: folder written by the training room.
        target: folder of the bundle.
        name: name of the model.
        version: version of the model.
        report: called with one line for each step, and with the table of the gate.

    Raises:
        ExportError: the checkpoint cannot be read, a conversion went wrong, or the gate failed.
    """
    if not is_replaceable(target, MANIFEST_NAME):
        raise ExportError(f"{target} holds something that is not a bundle; choose another --output")
    checkpoint = Checkpoint.read(source)
    report(f"running PyTorch on {len(checkpoint.validation.texts) + len(checkpoint.test.texts)} messages")
    reference = PyTorchReference(source, max_length=checkpoint.max_length)
    golden = make_golden(reference)
    expected = Logits(
        reference.logits(checkpoint.validation.texts), reference.logits(checkpoint.test.texts), golden.logits
    )
    with atomic_directory(target) as folder:
        report("converting to ONNX: fp32, fp16, int8")
        _write_graphs(checkpoint, reference, folder)
        _copy_tokenizer(checkpoint, folder)
        draft = _draft(checkpoint, folder, name=name, version=version)
        report("running the exported files through the runtime")
        measured = {variant: _run(folder, draft, variant, checkpoint, golden) for variant in _FILES}
        manifest = _calibrate(draft, checkpoint, measured[SHIPPED])
        decision = Decision(manifest.temperature, manifest.positive_index, manifest.threshold)
        parities = _parities(measured, expected, decision)
        report(format_table(parities))
        require_parity(parities)
        manifest = replace(manifest, metrics=_metrics(decision, checkpoint, measured[SHIPPED], expected))
        write_golden(golden, folder)
        _write_parity(folder, manifest, parities, golden, measured)
        write_card(folder, manifest, checkpoint, parities, decision.scores(measured[SHIPPED].test))
        _write_manifest(folder, manifest)
        _replay(folder)


def _write_graphs(checkpoint: Checkpoint, reference: PyTorchReference, folder: Path) -> None:
    (folder / "onnx").mkdir()
    with tempfile.TemporaryDirectory(prefix="spam-edge-export-") as name:
        scratch = Path(name)
        fp32 = export_fp32(checkpoint.path, scratch / "fp32")
        fp16 = convert_to_fp16(fp32.parent, scratch / "fp16", layers=checkpoint.layers)
        quantize(checkpoint, reference, checkpoint.train.texts, folder / _FILES["int8"].file, scratch=scratch)
        shutil.copyfile(fp32, folder / _FILES["fp32"].file)
        shutil.copyfile(fp16, folder / _FILES["fp16"].file)


def _copy_tokenizer(checkpoint: Checkpoint, folder: Path) -> None:
    for name in ("config.json", *TOKENIZER_FILES):
        shutil.copyfile(checkpoint.path / name, folder / name)


def _draft(checkpoint: Checkpoint, folder: Path, *, name: str, version: str) -> Manifest:
    """Return the manifest as far as it is known before anything was measured."""
    variants = {key: replace(variant, bytes=(folder / variant.file).stat().st_size) for key, variant in _FILES.items()}
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
        thresholds={MODE: 0.5},
        default_mode=MODE,
        variants=variants,
        files=_hash_files(folder),
        provenance=provenance_of(checkpoint, {key: folder / variant.file for key, variant in variants.items()}),
    )


def _hash_files(folder: Path) -> dict[str, BundleFile]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST_NAME)
    return {path.relative_to(folder).as_posix(): BundleFile(sha256_of(path), path.stat().st_size) for path in paths}


def _run(folder: Path, draft: Manifest, variant: str, checkpoint: Checkpoint, golden: Golden) -> Logits:
    options = RuntimeOptions(device="cpu", variant=variant, verify=False)
    classifier = SpamClassifier(Bundle(folder, draft, digest=""), options)
    if classifier.token_ids(golden.texts) != golden.token_ids:
        raise GateError("the gate failed, nothing was exported: the runtime's token ids differ from the tokenizer's")
    return Logits(
        classifier.logits(checkpoint.validation.texts),
        classifier.logits(checkpoint.test.texts),
        classifier.logits(golden.texts),
    )


def _calibrate(draft: Manifest, checkpoint: Checkpoint, measured: Logits) -> Manifest:
    is_positive = checkpoint.validation.is_positive
    temperature = fit_temperature(measured.validation, is_positive)
    threshold = choose_threshold(measured.validation, is_positive, temperature=temperature)
    return replace(draft, temperature=temperature, thresholds={MODE: threshold})


def _parities(measured: Mapping[str, Logits], expected: Logits, decision: Decision) -> list[Parity]:
    return [
        compare(variant, rows, measured=getattr(logits, rows), reference=getattr(expected, rows), decision=decision)
        for variant, logits in measured.items()
        for rows in ("test", "golden")
    ]


def _metrics(decision: Decision, checkpoint: Checkpoint, measured: Logits, expected: Logits) -> dict[str, Any]:
    """Return the metrics on the test split, per message and with one vote per cluster of near duplicates."""

    def on_test(logits: NDArray[np.float32], rows: NDArray[np.intp] | slice = np.s_[:]) -> dict[str, float]:
        scores, is_positive = decision.scores(logits)[rows], checkpoint.test.is_positive[rows]
        return spam_metrics(scores, is_positive, threshold=decision.threshold)

    votes = checkpoint.test.one_per_cluster
    return {
        "test": {
            SHIPPED: on_test(measured.test),
            "pytorch": on_test(expected.test),
            f"{SHIPPED}_one_per_cluster": on_test(measured.test, votes),
        }
    }


def _write_parity(
    folder: Path, manifest: Manifest, parities: list[Parity], golden: Golden, measured: Mapping[str, Logits]
) -> None:
    """Write what was measured, and how far a replay elsewhere may differ.

    Other processors round differently: a replay may differ twice as much as this machine did, and by 0.001.
    """
    on_golden = {parity.variant: parity for parity in parities if parity.rows == "golden"}
    batching = {variant: _batching(folder, manifest, variant, golden, measured[variant]) for variant in on_golden}
    report = {
        "reference": "PyTorch fp32, transformers",
        "threshold": manifest.threshold,
        "temperature": manifest.temperature,
        "gate": {
            variant: {"max_abs_dlogit": limit.max_abs_dlogit, "flips": limit.flips} for variant, limit in LIMITS.items()
        },
        "measured": [parity.to_dict() for parity in parities],
        "batching": {variant: {"n": len(golden.texts), "max_abs_dp": moved} for variant, moved in batching.items()},
        "replay_limits": {
            variant: {
                "max_abs_dp": 2 * parity.max_abs_dp + 1e-3,
                "max_batch_dp": 2 * batching[variant] + 1e-3,
            }
            for variant, parity in on_golden.items()
        },
    }
    (folder / PARITY_NAME).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _batching(folder: Path, manifest: Manifest, variant: str, golden: Golden, measured: Logits) -> float:
    """Return by how much the score of a golden message moves when it is run alone."""
    options = RuntimeOptions(device="cpu", variant=variant, verify=False)
    classifier = SpamClassifier(Bundle(folder, manifest, digest=""), options)
    alone = np.concatenate([classifier.score([text]) for text in golden.texts])
    decision = Decision(manifest.temperature, manifest.positive_index, manifest.threshold)
    return float(np.abs(alone - decision.scores(measured.golden)).max())


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    complete = replace(manifest, files=_hash_files(folder))
    text = json.dumps(complete.to_dict(), indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")


def _replay(folder: Path) -> None:
    """Do what a user's ``spam-edge verify`` will do, for each file, before anybody can see the bundle."""
    for variant in _FILES:
        report = verify_bundle(folder, RuntimeOptions(device="cpu", variant=variant))
        failed = [f"{check.name}: {check.detail}" for check in report.checks if not check.ok]
        if failed:
            raise GateError(f"the gate failed, nothing was exported: {variant} {'; '.join(failed)}")
