"""Assemble a bundle: convert, quantise, calibrate, check against PyTorch, document, rename into place."""

import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from export.bundle_files import FILES, PACKED_FILE, ROUNDED, SHIPPED, draft_manifest, write_manifest
from export.checkpoint import TOKENIZER_FILES, Checkpoint
from export.errors import ExportError, GateError
from export.graphs.conversion import convert_to_fp16, export_fp32
from export.graphs.packing import write_packed
from export.modes import validation_scores, write_validation
from export.parity.audit import audit_pair_sums
from export.parity.gate import Parity, format_table, require_invariance, require_parity
from export.parity.golden import write_golden
from export.parity.measure import batch_dependence, compare_packed, open_variant
from export.report.card import write_card
from export.report.controls import check_controls, measure_controls
from export.report.measurements import Measurements
from export.report.resolution import resolution
from export.report.tracks import Track, metrics_of_tracks
from export.selection import Origin, Quantized, Report, quantize_in_turns, select_best
from spam_edge.atomic import atomic_directory, is_replaceable
from spam_edge.bundle.manifest import MANIFEST_NAME
from spam_edge.diagnostics.verify import verify_bundle
from spam_edge.options import RuntimeOptions
from spam_edge.runtime.custom_operator import unavailable_reason
from spam_edge.text.normalization import NORMALIZER_NAME


def export_bundle(
    source: Path,
    target: Path,
    *,
    name: str,
    version: str,
    report: Report,
    enforce: bool = True,
) -> None:
    """Export the checkpoint at ``source`` to a bundle at ``target``.

    The bundle is built in a temporary folder and renamed at the end; an existing bundle stays until then.

    Args:
        source: checkpoint folder written by ``spam_edge.training``.
        target: folder of the bundle.
        name: model name for the manifest.
        version: model version for the manifest.
        report: called with one line per step, and with the parity table.
        enforce: fail if a variant exceeds its parity limits, harmless controls are called spam, or the finished bundle
            does not verify. If false, the first two are only reported; for models that are measured but not shipped.

    Raises:
        ExportError: the checkpoint cannot be read, a conversion failed, or the gate failed.
    """
    if not is_replaceable(target, MANIFEST_NAME):
        raise ExportError(f"{target} exists and is not a bundle; choose another --output")
    origin = Origin.read(source, report)
    with atomic_directory(target) as folder:
        report("converting to ONNX: fp32, fp16, int8")
        write_float_graphs(origin.checkpoint, folder)
        copy_tokenizer(origin.checkpoint, folder)
        draft = partial(draft_manifest, origin.checkpoint, folder, name=name, version=version)
        if unavailable_reason():
            report(f"skipping the fused variant: {unavailable_reason()}")
        kept = select_best(quantize_in_turns(origin, folder, draft), folder, report)
        parities = [*kept.parities, compare_packed(folder, kept.manifest, origin.golden, origin.reference)]
        report(format_table(parities))
        if enforce:
            require_parity(parities)
        controls = measure_controls(open_variant(folder, kept.manifest, SHIPPED))
        check_controls(controls, origin.checkpoint, report, enforce=enforce)
        measurements = _examine(kept, parities, origin, folder, report)
        shipped = kept.measured[SHIPPED]
        scores, expected = (kept.decision.calibration.scores(logits.test) for logits in (shipped, origin.expected))
        test = Track(origin.checkpoint.test, scores, expected)
        validation = validation_scores(
            origin.checkpoint.validation, shipped.validation, temperature=kept.manifest.temperature, variant=SHIPPED
        )
        metrics = metrics_of_tracks(kept.manifest, test) | {
            "controls": controls,
            "validation": validation.votes(),
        }
        manifest = replace(kept.manifest, metrics=metrics)
        report(vouched := resolution(validation, manifest.thresholds))
        write_golden(origin.golden, folder)
        measurements.write_parity(folder, manifest)
        write_validation(folder, validation)
        write_card(folder, manifest, origin.checkpoint, measurements, corpus=test.of_corpus, resolution=vouched)
        write_manifest(folder, manifest)
        if enforce:
            _replay(folder)


def write_float_graphs(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the fp32 file and both fp16 files into a bundle.

    Raises:
        ExportError: a conversion failed.
    """
    (folder / "onnx").mkdir()
    with tempfile.TemporaryDirectory(prefix="spam-edge-export-") as name:
        scratch = Path(name)
        fp32 = export_fp32(checkpoint.path, scratch / "fp32")
        fp16 = convert_to_fp16(fp32.parent, scratch / "fp16", layers=checkpoint.layers)
        shutil.copyfile(fp32, folder / FILES["fp32"].file)
        shutil.copyfile(fp16, folder / FILES["fp16"].file)
    write_packed(folder / FILES["fp16"].file, folder / PACKED_FILE, layers=checkpoint.layers)


def _examine(kept: Quantized, parities: list[Parity], origin: Origin, folder: Path, report: Report) -> Measurements:
    """Measure batch dependence and int8 pair sums; fail if an int8 score depends on its batch."""
    batching = {name: batch_dependence(open_variant(folder, kept.manifest, name), origin.golden) for name in FILES}
    for variant in ROUNDED:
        require_invariance(variant, batching[variant])
    report("auditing 16-bit pair sums of int8 products")
    audit = audit_pair_sums(folder / FILES[SHIPPED].file, kept.manifest, origin.golden.token_ids)
    return Measurements(parities, batching, audit)


def copy_tokenizer(checkpoint: Checkpoint, folder: Path) -> None:
    """Copy the files of the tokenizer, the normaliser and the configuration into a bundle."""
    for name in ("config.json", *TOKENIZER_FILES, NORMALIZER_NAME):
        shutil.copyfile(checkpoint.path / name, folder / name)


def _replay(folder: Path) -> None:
    """Run ``spam-edge verify`` on every variant before the bundle becomes visible."""
    for variant in FILES:
        report = verify_bundle(folder, RuntimeOptions(device="cpu", variant=variant))
        failed = [f"{check.name}: {check.detail}" for check in report.checks if not check.ok]
        if failed:
            raise GateError(f"the gate failed, nothing was exported: {variant} {'; '.join(failed)}")
