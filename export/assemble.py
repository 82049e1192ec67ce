"""Put a bundle together: convert, calibrate, pass the gate, describe, and give it its name at the very end."""

import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.audit import audit_pair_sums
from export.candidates import Candidate, format_candidates, measure_candidates
from export.card import write_card
from export.checkpoint import TOKENIZER_FILES, Checkpoint
from export.closest import Origin, Quantized, Report, keep_the_closest, quantize_in_turns
from export.errors import ExportError, GateError
from export.findings import Findings
from export.gate import format_table, require_invariance, require_parity
from export.golden import write_golden
from export.graph import convert_to_fp16, export_fp32
from export.layout import FILES, ROUNDED, SHIPPED, draft_manifest, write_manifest
from export.measure import batch_dependence, metrics_of_corpora, metrics_on_test
from export.modes import metrics_of_band, metrics_of_modes, validation_scores, write_validation
from export.resolution import resolution
from spam_edge.atomic import atomic_directory, is_replaceable
from spam_edge.fused import obstacle
from spam_edge.manifest import MANIFEST_NAME
from spam_edge.normalization import NORMALIZER_NAME
from spam_edge.session import RuntimeOptions
from spam_edge.validation import ValidationScores
from spam_edge.verification import verify_bundle


def export_bundle(
    source: Path,
    target: Path,
    *,
    name: str,
    version: str,
    report: Report,
    candidates: bool = False,
    enforce: bool = True,
) -> None:
    """Export the checkpoint at ``source`` to a bundle at ``target``; what stood there stays until the end.

    Args:
        source: folder written by the training room.
        target: folder of the bundle.
        name: name of the model.
        version: version of the model.
        report: called with one line for each step, and with the table of the gate.
        candidates: measure other ways to quantise too, for the card.
        enforce: stop where a file is further from PyTorch than it may be; without, that is only reported. For models
            that are made to be measured and do not ship.

    Raises:
        ExportError: the checkpoint cannot be read, a conversion went wrong, or the gate failed.
    """
    if not is_replaceable(target, MANIFEST_NAME):
        raise ExportError(f"{target} holds something that is not a bundle; choose another --output")
    origin = Origin.read(source, report)
    with atomic_directory(target) as folder:
        report("converting to ONNX: fp32, fp16, int8")
        _write_float_graphs(origin.checkpoint, folder)
        _copy_tokenizer(origin.checkpoint, folder)
        draft = partial(draft_manifest, origin.checkpoint, folder, name=name, version=version)
        if obstacle():
            report(f"the fused file is left out: {obstacle()}")
        kept = keep_the_closest(quantize_in_turns(origin, folder, draft), folder, report)
        report(format_table(kept.parities))
        if enforce:
            require_parity(kept.parities)
        findings = _examine(kept, origin, folder, report, candidates=candidates)
        shipped = kept.measured[SHIPPED]
        scores = kept.decision.scores(shipped.test)
        validation = validation_scores(
            origin.checkpoint.validation, shipped.validation, temperature=kept.manifest.temperature, variant=SHIPPED
        )
        manifest = replace(kept.manifest, metrics=_measure(kept, origin, scores, validation))
        report(vouched := resolution(validation, manifest.thresholds))
        write_golden(origin.golden, folder)
        findings.write_parity(folder, manifest)
        write_validation(folder, validation)
        write_card(folder, manifest, origin.checkpoint, findings, scores=scores, resolution=vouched)
        write_manifest(folder, manifest)
        if enforce:
            _replay(folder)


def _write_float_graphs(checkpoint: Checkpoint, folder: Path) -> None:
    (folder / "onnx").mkdir()
    with tempfile.TemporaryDirectory(prefix="spam-edge-export-") as name:
        scratch = Path(name)
        fp32 = export_fp32(checkpoint.path, scratch / "fp32")
        fp16 = convert_to_fp16(fp32.parent, scratch / "fp16", layers=checkpoint.layers)
        shutil.copyfile(fp32, folder / FILES["fp32"].file)
        shutil.copyfile(fp16, folder / FILES["fp16"].file)


def _examine(kept: Quantized, origin: Origin, folder: Path, report: Report, *, candidates: bool) -> Findings:
    """Measure what the gate does not look at, and stop where a score depends on its batch."""
    batching = {name: batch_dependence(folder, kept.manifest, name, origin.golden) for name in FILES}
    for variant in ROUNDED:
        require_invariance(variant, batching[variant])
    report("auditing the sums of int8 products")
    audit = audit_pair_sums(folder / FILES[SHIPPED].file, kept.manifest, origin.golden.token_ids)
    others: list[Candidate] = []
    if candidates:
        report("measuring other ways to quantise")
        others = measure_candidates(
            origin.checkpoint,
            origin.quantizer,
            origin.reference,
            golden=origin.golden,
            decision=kept.decision,
        )
        report(format_candidates(others))
    return Findings(kept.parities, batching, audit, others)


def _measure(
    kept: Quantized, origin: Origin, scores: NDArray[np.float32], validation: ValidationScores
) -> dict[str, dict[str, Any]]:
    """Return the metrics of the manifest; the scores are those of the test split."""
    shipped, test = kept.measured[SHIPPED], origin.checkpoint.test
    return {
        "test": metrics_on_test(
            kept.decision, origin.checkpoint, shipped=SHIPPED, measured=shipped, expected=origin.expected
        ),
        "modes": metrics_of_modes(kept.manifest, test, scores),
        "unsure": metrics_of_band(kept.manifest, test, scores),
        "test_by_corpus": metrics_of_corpora(kept.decision, origin.checkpoint, shipped),
        "validation": validation.votes(),
    }


def _copy_tokenizer(checkpoint: Checkpoint, folder: Path) -> None:
    for name in ("config.json", *TOKENIZER_FILES, NORMALIZER_NAME):
        shutil.copyfile(checkpoint.path / name, folder / name)


def _replay(folder: Path) -> None:
    """Do what a user's ``spam-edge verify`` will do, for each file, before anybody can see the bundle."""
    for variant in FILES:
        report = verify_bundle(folder, RuntimeOptions(device="cpu", variant=variant))
        failed = [f"{check.name}: {check.detail}" for check in report.checks if not check.ok]
        if failed:
            raise GateError(f"the gate failed, nothing was exported: {variant} {'; '.join(failed)}")
