"""Parity gate: exported files must match PyTorch, measured through the runtime."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.errors import GateError
from spam_edge.decision.comparison import Decision


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest allowed differences of a variant; None means reported, but not limited."""

    max_abs_dlogit: float | None = None
    max_abs_dp: float | None = None
    high_abs_dp: float | None = None
    """99.9th percentile: the maximum of up to 1,000 messages. The maximum of more grows with their number."""
    mean_abs_dp: float | None = None
    flip_rate: float | None = None
    """Largest share of label flips. A set with fewer than 1 / ``flip_rate`` messages cannot show the rate. There, the
    score differences decide: a label flips only where the score is closer to the threshold than they are."""


_INT8 = Limits(high_abs_dp=1e-1, mean_abs_dp=5e-3, flip_rate=5e-3)
"""The largest difference varies with the checkpoint (0.04 to 0.06 in four trainings), so its limit leaves a factor of
1.6 for chance. A defect shows in the mean and in the flips."""
LIMITS: Mapping[str, Limits] = {
    "fp32": Limits(max_abs_dlogit=1e-4, flip_rate=0),
    "fp16": Limits(max_abs_dlogit=4e-2, flip_rate=1e-3),
    "int8": _INT8,
    "fused": _INT8,
}
FP16_BAND = 8e-2
"""Largest error of a logit margin, the difference of two logits, within the limits of fp16. A GPU rounds otherwise than
the CPU on which the export measures."""
AIM = Limits(mean_abs_dp=2.5e-3, flip_rate=2e-3)
"""Target of the int8 files. If missed, the weights are rounded again with another damping; how close a checkpoint comes
is partly chance."""
_SAME_SCORE = 1e-6


@dataclass(frozen=True, slots=True)
class Parity:
    """Difference of one variant from PyTorch on one set of messages.

    Attributes:
        variant: ``fused``, ``int8``, ``fp16`` or ``fp32``.
        rows: name of the set: ``test`` or ``golden``; ``golden, packed`` for the fp16 graph without padding.
        n: number of messages.
        max_abs_dlogit: largest difference of a logit.
        max_abs_dp: largest difference of a calibrated probability.
        high_abs_dp: its 99.9th percentile, rounded up to a message.
        mean_abs_dp: mean difference of a calibrated probability.
        flips: messages whose label at the shipped threshold differs.
    """

    variant: str
    rows: str
    n: int
    max_abs_dlogit: float
    max_abs_dp: float
    high_abs_dp: float
    mean_abs_dp: float
    flips: int

    @property
    def passed(self) -> bool:
        """Whether the differences are within the limits of the variant."""
        return self.within(LIMITS[self.variant])

    def within(self, limits: Limits) -> bool:
        """Whether no difference exceeds its limit."""
        measured = {
            "max_abs_dlogit": self.max_abs_dlogit,
            "max_abs_dp": self.max_abs_dp,
            "high_abs_dp": self.high_abs_dp,
            "mean_abs_dp": self.mean_abs_dp,
            "flip_rate": self.flips / self.n,
        }
        if limits.flip_rate and self.n < 1 / limits.flip_rate:
            del measured["flip_rate"]
        return all(limit is None or measured.get(name, 0) <= limit for name, limit in asdict(limits).items())

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, including ``passed``."""
        return asdict(self) | {"passed": self.passed}


def compare(
    variant: str,
    rows: str,
    *,
    measured: NDArray[np.float32],
    reference: NDArray[np.float32],
    decision: Decision,
) -> Parity:
    """Compare logits of a variant with those of PyTorch, both of shape (messages, 2).

    Raises:
        GateError: a logit is not finite.
    """
    if not np.isfinite(measured).all():
        raise GateError(f"the gate failed: {variant} gives NaN or infinite logits on the {rows} set")
    found = decision.compare(measured, reference)
    return Parity(
        variant=variant,
        rows=rows,
        n=len(reference),
        max_abs_dlogit=float(np.abs(measured - reference).max()),
        max_abs_dp=found.largest,
        high_abs_dp=float(np.quantile(found.differences, 0.999, method="higher")),
        mean_abs_dp=float(found.differences.mean()),
        flips=found.flips,
    )


def require_parity(parities: Iterable[Parity]) -> None:
    """Fail if a variant exceeds its limits.

    Raises:
        GateError: a variant exceeds its limits.
    """
    failures = [
        f"{p.variant} on {p.n} {p.rows} messages: max |dlogit| {p.max_abs_dlogit:.2g}, max |dp| {p.max_abs_dp:.2g}, "
        f"{p.flips} label flip{'s' * (p.flips != 1)}"
        for p in parities
        if not p.passed
    ]
    if failures:
        raise GateError(
            f"the gate failed, nothing was exported: {'; '.join(failures)}; install the versions in constraints.txt; "
            "if only int8 labels differ, train with another seed"
        )


def require_invariance(variant: str, max_abs_dp: float) -> None:
    """Fail if scores depend on the rest of the batch.

    Raises:
        GateError: a score changes by more than 1e-6.
    """
    if max_abs_dp > _SAME_SCORE:
        raise GateError(
            f"the gate failed, nothing was exported: {variant} scores change by up to {max_abs_dp:.2g} with their "
            "batch; install the versions in constraints.txt"
        )


def format_table(parities: Iterable[Parity]) -> str:
    """Return the measurements as a text table."""
    header = f"{'variant':8} {'set':7} {'n':>5} {'max|dlogit|':>12} {'max|dp|':>9} {'mean|dp|':>9} {'flips':>6}  gate"
    lines = [
        f"{p.variant:8} {p.rows:7} {p.n:>5} {p.max_abs_dlogit:>12.2e} {p.max_abs_dp:>9.5f} {p.mean_abs_dp:>9.6f} "
        f"{p.flips:>6}  {'pass' if p.passed else 'FAIL'}"
        for p in parities
    ]
    return "\n".join([header, *lines])
