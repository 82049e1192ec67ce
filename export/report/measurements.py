"""Measurements of an export, for ``parity.json`` and the card."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from export.parity.audit import Audit
from export.parity.gate import FP16_BAND, LIMITS, Parity
from spam_edge.bundle.manifest import Manifest
from spam_edge.diagnostics.verify import PARITY_NAME


@dataclass(frozen=True, slots=True)
class Measurements:
    """Measurements of the files of a bundle.

    Attributes:
        parities: each variant against PyTorch, on each set of messages.
        batching: by variant, largest score difference of a golden message between a batch and a run alone.
        audit: int8 file under 16-bit pair sums.
    """

    parities: list[Parity]
    batching: Mapping[str, float]
    audit: Audit

    def write_parity(self, folder: Path, manifest: Manifest) -> None:
        """Write ``parity.json``."""
        text = json.dumps(self._to_dict(manifest), indent=2) + "\n"
        (folder / PARITY_NAME).write_text(text, encoding="utf-8")

    def _to_dict(self, manifest: Manifest) -> dict[str, Any]:
        """Return the measurements and the limits of a replay."""
        on_golden = {parity.variant: parity for parity in self.parities if parity.rows == "golden"}
        return {
            "reference": "PyTorch fp32, transformers",
            "threshold": manifest.threshold,
            "temperature": manifest.temperature,
            "gate": {variant: limits_of(variant) for variant in on_golden},
            "measured": [parity.to_dict() for parity in self.parities],
            "batching": {
                variant: {"n": parity.n, "max_abs_dp": self.batching[variant]} for variant, parity in on_golden.items()
            },
            "replay_limits": {
                variant: replay_limits(parity, self.batching[variant], temperature=manifest.temperature)
                for variant, parity in on_golden.items()
            },
            "avx2_without_vnni": self.audit.to_dict(),
        }


def limits_of(variant: str) -> dict[str, float]:
    """Return the limits of the gate for a variant, by name."""
    return {name: value for name, value in asdict(LIMITS[variant]).items() if value is not None}


def replay_limits(golden: Parity, batching: float, *, temperature: float) -> dict[str, float]:
    """Return the limits of a replay of the golden messages.

    Other processors round differently: a replay may differ by twice the value of this machine plus 0.001. On a GPU,
    fp16 rounds differently again, and by the batch: it may differ by what the gate allows. A score changes by at most
    a quarter of its margin.

    Args:
        golden: differences from PyTorch on the golden messages.
        batching: largest score difference between a batch and a run alone.
        temperature: temperature of the scores.
    """
    allowed = FP16_BAND / 4 / temperature if golden.variant == "fp16" else 0.0
    measured = {"max_abs_dp": golden.max_abs_dp, "max_batch_dp": batching}
    return {name: max(2 * value + 1e-3, allowed) for name, value in measured.items()}
