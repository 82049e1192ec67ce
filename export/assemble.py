"""Put a bundle together: convert, calibrate, pass the gate, describe, and give it its name at the very end."""

import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from export.audit import audit_pair_sums
from export.card import write_card
from export.checkpoint import TOKENIZER_FILES, Checkpoint
from export.closest import Origin, Quantized, Report, keep_the_closest, quantize_in_turns
from export.controls import judge_controls, measure_controls
from export.errors import ExportError, GateError
from export.findings import Findings
from export.gate import format_table, require_invariance, require_parity
from export.golden import write_golden
from export.graph import convert_to_fp16, export_fp32
from export.layout import FILES, ROUNDED, SHIPPED, draft_manifest, write_manifest
from export.measure import batch_dependence, open_variant
from export.modes import metrics_of_band, validation_scores, write_validation
from export.resolution import resolution
from export.tracks import Track, metrics_of_tracks
from spam_edge.atomic import atomic_directory, is_replaceable
from spam_edge.fused import obstacle
from spam_edge.manifest import MANIFEST_NAME
from spam_edge.normalization import NORMALIZER_NAME
from spam_edge.session import RuntimeOptions
from spam_edge.verification import verify_bundle


def export_bundle(
    source: Path,
    target: Path,
    *,
    name: str,
    version: str,
    report: Report,
    enforce: bool = True,
) -> None:
    """Export the checkpoint at ``source`` to a bundle at ``target``; what stood there stays until the end.

    Args:
        source: folder written by the training room.
        target: folder of the bundle.
        name: name of the model.
        version: version of the model.
        report: called with one line for each step, and with the table of the gate.
        enforce: stop where a file is further from PyTorch than it may be, or harmless messages are called spam;
            without, that is only reported. For models that are made to be measured and do not ship.

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
        controls = measure_controls(open_variant(folder, kept.manifest, SHIPPED))
        judge_controls(controls, origin.checkpoint, report, enforce=enforce)
        findings = _examine(kept, origin, folder, report)
        shipped = kept.measured[SHIPPED]
        scores, expected = (kept.decision.scores(logits.test) for logits in (shipped, origin.expected))
        test = Track(origin.checkpoint.test, scores, expected)
        validation = validation_scores(
            origin.checkpoint.validation, shipped.validation, temperature=kept.manifest.temperature, variant=SHIPPED
        )
        metrics = metrics_of_tracks(kept.manifest, test) | {
            "controls": controls,
            "unsure": metrics_of_band(kept.manifest, test.split, scores),
            "validation": validation.votes(),
        }
        manifest = replace(kept.manifest, metrics=metrics)
        report(vouched := resolution(validation, manifest.thresholds))
        write_golden(origin.golden, folder)
        findings.write_parity(folder, manifest)
        write_validation(folder, validation)
        write_card(folder, manifest, origin.checkpoint, findings, corpus=test.of_corpus, resolution=vouched)
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


def _examine(kept: Quantized, origin: Origin, folder: Path, report: Report) -> Findings:
    """Measure what the gate does not look at, and stop where a score depends on its batch."""
    batching = {name: batch_dependence(folder, kept.manifest, name, origin.golden) for name in FILES}
    for variant in ROUNDED:
        require_invariance(variant, batching[variant])
    report("auditing the sums of int8 products")
    audit = audit_pair_sums(folder / FILES[SHIPPED].file, kept.manifest, origin.golden.token_ids)
    return Findings(kept.parities, batching, audit)


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
