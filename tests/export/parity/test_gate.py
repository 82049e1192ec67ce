"""The parity gate: measurements, limits and rejections."""

import numpy as np
import pytest

from export.errors import GateError
from export.parity.gate import AIM, Parity, compare, format_table, require_invariance, require_parity
from spam_edge.decision.calibration import Calibration
from spam_edge.decision.comparison import Decision

DECISION = Decision(Calibration(), threshold=0.5)
REFERENCE = np.array([[0.0, 2.0], [0.0, -2.0], [0.0, 0.1]], dtype=np.float32)


def _compare(variant: str, change: float) -> Parity:
    measured = REFERENCE + np.array([0.0, change], dtype=np.float32)
    return compare(variant, "test", measured=measured, reference=REFERENCE, decision=DECISION)


def test_parity_figures_match_hand_computed_values() -> None:
    parity = _compare("int8", -0.2)
    expected = [1 / (1 + np.exp(-margin)) for margin in (2, -2, 0.1)]
    measured = [1 / (1 + np.exp(-margin)) for margin in (1.8, -2.2, -0.1)]
    differences = np.abs(np.subtract(measured, expected))
    assert parity.n == 3
    assert parity.max_abs_dlogit == pytest.approx(0.2, abs=1e-6)
    assert parity.max_abs_dp == pytest.approx(differences.max(), abs=1e-6)
    assert parity.mean_abs_dp == pytest.approx(differences.mean(), abs=1e-6)
    assert parity.flips == 1


@pytest.mark.parametrize(
    ("variant", "change", "passed"),
    [
        ("fp32", 5e-5, True),
        ("fp32", 2e-4, False),
        ("fp16", 1e-2, True),
        ("fp16", 5e-2, False),
        ("int8", 0.01, True),
        ("int8", -0.01, True),
        ("int8", 0.5, False),
        ("int8", -0.11, False),
        ("fused", 0.01, True),
        ("fused", 0.5, False),
        ("fused", -0.11, False),
    ],
)
def test_parity_limits_of_variant_pass_or_stop_export(variant: str, change: float, passed: bool) -> None:
    parity = _compare(variant, change)
    assert parity.passed is passed
    assert ("pass" if passed else "FAIL") in format_table([parity])
    if passed:
        require_parity([parity])
    else:
        with pytest.raises(GateError, match=f"nothing was exported: {variant} on 3 test messages"):
            require_parity([parity])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_or_infinite_logits_fail_gate(value: float) -> None:
    measured = REFERENCE.copy()
    measured[1, 0] = value
    with pytest.raises(GateError, match="NaN or infinite logits on the test set"):
        compare("int8", "test", measured=measured, reference=REFERENCE, decision=DECISION)


def test_parity_target_is_stricter_than_limits() -> None:
    parity = _compare("int8", 0.02)
    assert parity.passed
    assert parity.mean_abs_dp > AIM.mean_abs_dp  # type: ignore[operator]
    assert not parity.within(AIM)
    assert _compare("int8", 0.001).within(AIM)


def test_batch_dependent_scores_stop_export() -> None:
    require_invariance("int8", 0.0)
    with pytest.raises(GateError, match=r"nothing was exported: int8 scores change by up to 0.17 with their batch"):
        require_invariance("int8", 0.17)


@pytest.mark.parametrize(("n", "flips", "passed"), [(1000, 5, True), (1000, 6, False), (200, 2, False), (70, 2, True)])
def test_label_flip_rate_is_limited_only_on_large_sets(n: int, flips: int, passed: bool) -> None:
    reference = np.full((n, 2), [0.0, 4.0], dtype=np.float32)
    reference[:flips] = [0.0, 0.001]
    measured = reference.copy()
    measured[:flips] = [0.0, -0.001]
    parity = compare("int8", "golden", measured=measured, reference=reference, decision=DECISION)
    assert parity.flips == flips
    assert parity.passed is passed
