"""The int8 file: rounded in several ways in turn, calibrated, and the one that is closest to PyTorch kept."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from export.calibration import fit_temperature
from export.checkpoint import Checkpoint
from export.gate import AIM, Decision, Parity
from export.golden import make_golden
from export.layout import FILES, FUSED, ROUNDED, ROUNDED_FILES, SHIPPED, with_fields
from export.measure import Logits, compare_variants, largest_margin_error, run_pytorch, run_variant
from export.modes import fit_thresholds
from export.quantize import Quantizer
from export.recipe import Recipe
from export.reference import PyTorchReference
from export.rounding import DAMPINGS
from spam_edge.manifest import Manifest
from spam_edge.verification import Golden

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Origin:
    """What is exported, and what PyTorch says of it."""

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
    """Graphs in a folder, what was measured of them, and the decision fitted on them."""

    manifest: Manifest
    decision: Decision
    measured: Mapping[str, Logits]
    parities: list[Parity]

    @property
    def reaches_aim(self) -> bool:
        """Whether the int8 files are as close to PyTorch as aimed for."""
        return all(parity.within(AIM) for parity in self._of_int8)

    @property
    def distance(self) -> tuple[int, float]:
        """How far the int8 files are from PyTorch: labels first, then scores."""
        return sum(parity.flips for parity in self._of_int8), max(parity.max_abs_dp for parity in self._of_int8)

    @property
    def _of_int8(self) -> list[Parity]:
        return [parity for parity in self.parities if parity.variant in ROUNDED]


def quantize_in_turns(origin: Origin, folder: Path, draft: Callable[[Recipe], Manifest]) -> Iterator[Quantized]:
    """Write the int8 file with one rounding after the other, and yield what was measured of each."""
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
        manifest = _calibrate(manifest, origin.checkpoint, measured[SHIPPED])
        decision = Decision.of(manifest)
        yield Quantized(manifest, decision, dict(measured), compare_variants(measured, origin.expected, decision))


def keep_the_closest(tries: Iterable[Quantized], folder: Path, report: Report) -> Quantized:
    """Take the first int8 file that is as close to PyTorch as aimed for, else the closest, and leave it in place.

    Whether one of a thousand messages lies so close to the threshold that rounding moves it across is chance; where
    the labels are right or wrong is not looked at.
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
            report(f"int8 rounded with damping {damping} is further from PyTorch than aimed for")
        for file in files:
            shutil.copyfile(scratch / file.name, file)
    return kept[-1]


def _calibrate(draft: Manifest, checkpoint: Checkpoint, measured: Logits) -> Manifest:
    split, logits = checkpoint.validation, measured.validation
    rows = split.one_per_cluster
    temperature = fit_temperature(logits[rows], split.is_positive[rows])
    thresholds = fit_thresholds(split, logits, temperature=temperature, variant=SHIPPED)
    return replace(draft, temperature=temperature, thresholds=thresholds)
