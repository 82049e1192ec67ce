"""Malformed models are refused or run, without a fault, a hang or a leak. ``make fuzz`` runs more of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spam_edge import RuntimeOptions
from spam_edge.bundle.locate import Bundle
from spam_edge.runtime.session import open_session
from tests.fuzz.models import malformed_models, pack, sound_batch, sound_model
from tests.fuzz.runs import NATIVE, Outcomes, compile_harness, run_models
from tests.support.vectors import fused_vectors, use_vectors

pytestmark = [pytest.mark.fused, pytest.mark.slow]

MODELS, SEED = 400, 3  # one of these has logits that are NaN


def _packed(bundle: Path, count: int) -> bytes:
    sound = sound_model(bundle, sound_batch())
    return pack(sound, list(malformed_models(sound, count, SEED)))


def _logits(outcomes: Outcomes, number: int) -> NDArray[np.float32]:
    return np.frombuffer(bytes.fromhex(outcomes.done[number]), dtype=np.float32)


def test_malformed_models_never_crash_and_all_libraries_agree(tiny_bundle: Path, tmp_path: Path) -> None:
    packed = _packed(tiny_bundle, MODELS)
    baseline: Outcomes | None = None
    for name in fused_vectors():
        outcomes = run_models(compile_harness(name, tmp_path), packed, MODELS)
        assert outcomes.faults == {}
        assert outcomes.done.keys() | outcomes.refused.keys() == set(range(MODELS))
        assert min(len(outcomes.done), len(outcomes.refused)) > MODELS / 20
        assert all("SpamEncoder: " in message for message in outcomes.refused.values())
        with use_vectors(name):
            session = open_session(Bundle.find(tiny_bundle), RuntimeOptions(device="cpu", variant="fused", threads=1))
        expected = session.run(*sound_batch())
        actual = _logits(outcomes, 0).reshape(expected.shape)
        assert np.abs(actual - expected).max() < 1e-6  # compilers fold constants of the Gelu table differently
        baseline = baseline or outcomes
        assert outcomes.refused == baseline.refused
        for number in baseline.done:
            assert np.array_equal(_logits(outcomes, number), _logits(baseline, number), equal_nan=True), number


def test_fuzzing_detects_removed_bounds_check(tiny_bundle: Path, tmp_path: Path) -> None:
    native = Path(shutil.copytree(NATIVE, tmp_path / "native"))
    code = (native / "constants.c").read_text(encoding="utf-8")
    checked = "if (index < 0 || (size_t)index >= end)"
    assert checked in code
    (native / "constants.c").write_text(code.replace(checked, "if (0)"), encoding="utf-8")
    outcomes = run_models(compile_harness(fused_vectors()[-1], tmp_path, native), _packed(tiny_bundle, 200), 200)
    assert outcomes.faults
