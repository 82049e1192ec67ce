"""The gate: what ships must say what PyTorch said, measured through the runtime itself."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from export.errors import GateError
from spam_edge.manifest import Manifest
from spam_edge.scores import probabilities


@dataclass(frozen=True, slots=True)
class Limits:
    """What a variant may differ by. None means: reported, not limited."""

    max_abs_dlogit: float | None = None
    max_abs_dp: float | None = None
    high_abs_dp: float | None = None
    """99.9th percentile: the largest of up to 1,000 messages. The largest of more grows with their number."""
    mean_abs_dp: float | None = None
    flip_rate: float | None = None
    """Share of the messages, rounded down: none of the 70 golden ones, and none of 199 at 0.5 %."""


_INT8 = Limits(high_abs_dp=5e-2, mean_abs_dp=5e-3, flip_rate=5e-3)
LIMITS: Mapping[str, Limits] = {
    "fp32": Limits(max_abs_dlogit=1e-4, flip_rate=0),
    "fp16": Limits(max_abs_dlogit=2e-2, flip_rate=1e-3),
    "int8": _INT8,
    "fused": _INT8,
}
AIM = Limits(max_abs_dp=2e-2, mean_abs_dp=1e-3, flip_rate=0)
"""What is tried for with the int8 files; how near a checkpoint comes to it is partly chance."""
_SAME_SCORE = 1e-6


@dataclass(frozen=True, slots=True)
class Decision:
    """How logits become verdicts: temperature, column of the positive class, shipped threshold."""

    temperature: float
    positive_index: int
    threshold: float

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Return what a bundle decides with."""
        return cls(manifest.temperature, manifest.positive_index, manifest.threshold)

    def scores(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated probabilities, shape (messages,)."""
        return probabilities(logits, temperature=self.temperature, positive_index=self.positive_index)


@dataclass(frozen=True, slots=True)
class Parity:
    """Difference of one variant from PyTorch on one set of messages.

    Attributes:
        variant: ``fused``, ``int8``, ``fp16`` or ``fp32``.
        rows: name of the set: ``test`` or ``golden``.
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
        """Whether the difference is within the limits of the variant."""
        return self.within(LIMITS[self.variant])

    def within(self, limits: Limits) -> bool:
        """Whether nothing exceeds the limits."""
        measured = {
            "max_abs_dlogit": self.max_abs_dlogit,
            "max_abs_dp": self.max_abs_dp,
            "high_abs_dp": self.high_abs_dp,
            "mean_abs_dp": self.mean_abs_dp,
            "flip_rate": self.flips / self.n,
        }
        return all(limit is None or measured[name] <= limit for name, limit in asdict(limits).items())

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, verdict included."""
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
        GateError: a logit is no finite number.
    """
    if not np.isfinite(measured).all():
        raise GateError(f"the gate failed: {variant} gives logits that are no numbers on the {rows} set")
    scores, expected = decision.scores(measured), decision.scores(reference)
    difference = np.abs(scores - expected)
    flips = (scores >= decision.threshold) != (expected >= decision.threshold)
    return Parity(
        variant=variant,
        rows=rows,
        n=len(reference),
        max_abs_dlogit=float(np.abs(measured - reference).max()),
        max_abs_dp=float(difference.max()),
        high_abs_dp=float(np.quantile(difference, 0.999, method="higher")),
        mean_abs_dp=float(difference.mean()),
        flips=int(flips.sum()),
    )


def require_parity(parities: Iterable[Parity]) -> None:
    """Let an export pass, or say what stops it.

    Raises:
        GateError: a variant differs by more than its limits.
    """
    failures = [
        f"{p.variant} on {p.n} {p.rows} messages: max |dlogit| {p.max_abs_dlogit:.2g}, max |dp| {p.max_abs_dp:.2g}, "
        f"{p.flips} label flips"
        for p in parities
        if not p.passed
    ]
    if failures:
        raise GateError(
            f"the gate failed, nothing was exported: {'; '.join(failures)}; install the versions in constraints.txt, "
            "or, where only labels of int8 differ, train with another seed"
        )


def require_invariance(variant: str, max_abs_dp: float) -> None:
    """Let an export pass if scores do not depend on what they are batched with.

    Raises:
        GateError: they do.
    """
    if max_abs_dp > _SAME_SCORE:
        raise GateError(
            f"the gate failed, nothing was exported: {variant} scores change by up to {max_abs_dp:.2g} with their "
            "batch; install the versions in constraints.txt"
        )


def format_table(parities: Iterable[Parity]) -> str:
    """Return the measurements as a table for people."""
    header = f"{'variant':8} {'set':7} {'n':>5} {'max|dlogit|':>12} {'max|dp|':>9} {'mean|dp|':>9} {'flips':>6}  gate"
    lines = [
        f"{p.variant:8} {p.rows:7} {p.n:>5} {p.max_abs_dlogit:>12.2e} {p.max_abs_dp:>9.5f} {p.mean_abs_dp:>9.6f} "
        f"{p.flips:>6}  {'pass' if p.passed else 'FAIL'}"
        for p in parities
    ]
    return "\n".join([header, *lines])
