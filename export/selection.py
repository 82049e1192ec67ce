"""Quantise with several roundings in turn, calibrate each, and keep the int8 file closest to PyTorch."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from export.bundle_files import FILES, FUSED, ROUNDED, ROUNDED_FILES, SHIPPED, with_fields
from export.checkpoint import Checkpoint
from export.modes import fit_thresholds
from export.parity.gate import AIM, FP16_BAND, Parity
from export.parity.golden import make_golden
from export.parity.measure import Logits, compare_variants, largest_margin_error, run_pytorch, run_variant
from export.quantization.quantize import Quantizer
from export.quantization.recipe import Recipe
from export.quantization.rounding import DAMPINGS
from export.reference import PyTorchReference
from export.thresholds import fit_temperature
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.manifest import Manifest
from spam_edge.decision.comparison import Decision

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Origin:
    """The checkpoint to export, with its PyTorch logits and a calibrated quantiser."""

    checkpoint: Checkpoint
    reference: PyTorchReference
    golden: Golden
    expected: Logits
    quantizer: Quantizer

    @classmethod
    def read(cls, source: Path, report: Report) -> Self:
        """Read a checkpoint, run PyTorch on its messages, and calibrate the quantiser."""
        checkpoint = Checkpoint.read(source)
        report(f"running PyTorch on {len(checkpoint.validation.texts) + len(checkpoint.test.texts)} messages")
        reference = PyTorchReference(source, max_length=checkpoint.max_length)
        golden = make_golden(reference)
        expected = run_pytorch(reference, checkpoint, golden)
        report("calibrating int8 on the training messages")
        return cls(checkpoint, reference, golden, expected, Quantizer(checkpoint, reference))


@dataclass(frozen=True, slots=True)
class Quantized:
    """One quantisation attempt: manifest, fitted decision, logits by variant, and parity."""

    manifest: Manifest
    decision: Decision
    measured: Mapping[str, Logits]
    parities: list[Parity]

    @property
    def reaches_aim(self) -> bool:
        """Whether the int8 variants are within :data:`export.parity.gate.AIM`."""
        return all(parity.within(AIM) for parity in self._of_int8)

    @property
    def distance(self) -> tuple[int, float]:
        """Sort key of the distance from PyTorch: label flips, then largest score difference."""
        return sum(parity.flips for parity in self._of_int8), max(parity.max_abs_dp for parity in self._of_int8)

    @property
    def _of_int8(self) -> list[Parity]:
        return [parity for parity in self.parities if parity.variant in ROUNDED]


def quantize_in_turns(origin: Origin, folder: Path, draft: Callable[[Recipe], Manifest]) -> Iterator[Quantized]:
    """Write the int8 file with one damping after the other, and yield the measurements of each."""
    measured: dict[str, Logits] = {}
    for damping in DAMPINGS:
        recipe = Recipe(damping=damping)
        fused = folder / FILES[FUSED].file if FUSED in FILES else None
        origin.quantizer.write(folder / FILES[SHIPPED].file, recipe, fused=fused)
        manifest = draft(recipe)
        for variant in FILES:
            if variant in ROUNDED or variant not in measured:
                measured[variant] = run_variant(folder, manifest, variant, origin.checkpoint, origin.golden)
        for variant in ROUNDED:
            band = largest_margin_error(measured[variant], origin.expected)
            manifest = with_fields(manifest, variant, error_band=band)
        manifest = with_fields(manifest, "fp16", error_band=FP16_BAND)
        manifest = _calibrate(manifest, origin.checkpoint, measured[SHIPPED])
        decision = Decision.of(manifest)
        yield Quantized(manifest, decision, dict(measured), compare_variants(measured, origin.expected, decision))


def select_best(tries: Iterable[Quantized], folder: Path, report: Report) -> Quantized:
    """Keep the first attempt within the aim, else the closest one, and leave its files in place.

    Whether rounding moves one of a thousand messages across the threshold is chance. The choice ignores the true
    labels.
    """
    files = [folder / file for file in ROUNDED_FILES]
    kept: list[Quantized] = []
    with tempfile.TemporaryDirectory(prefix="spam-edge-export-") as name:
        scratch = Path(name)
        for quantized in tries:
            if not kept or quantized.distance < kept[-1].distance:
                kept.append(quantized)
                for file in files:
                    shutil.copyfile(file, scratch / file.name)
            if quantized.reaches_aim:
                break
            damping = quantized.manifest.provenance["export"]["quantisation"]["damping"]
            report(f"int8 with damping {damping} misses the parity target")
        for file in files:
            shutil.copyfile(scratch / file.name, file)
    return kept[-1]


def _calibrate(draft: Manifest, checkpoint: Checkpoint, measured: Logits) -> Manifest:
    split, logits = checkpoint.validation, measured.validation
    rows = split.one_per_cluster
    temperature = fit_temperature(logits[rows], split.is_positive[rows])
    thresholds = fit_thresholds(split, logits, temperature=temperature, variant=SHIPPED)
    return replace(draft, temperature=temperature, thresholds=thresholds)
