"""The ARM64 instruction sets give logits bit-identical to AVX2 on this machine. QEMU emulates the processors."""

import platform
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.arm64.emulator import PROCESSORS, UnavailableError
from tests.arm64.sysroot import SYSROOT, sysroot_python
from tests.fuzz.models import malformed_models, pack, sound_batch, sound_model
from tests.fuzz.runs import Outcomes, compile_for_arm, compile_harness, run_models
from tests.fuzz.shapes import models_of_any_shape

ROOT = Path(__file__).parents[2]
MODELS, SHAPES, SEED = 60, 30, 5
pytestmark = [
    pytest.mark.fused,
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="compares with x86-64"),
]


@pytest.fixture(scope="module", autouse=True)
def _sysroot() -> None:
    try:
        sysroot_python(SYSROOT)
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def packed(tiny_bundle: Path) -> bytes:
    """The tiny model, malformed models, and sound models of any shape."""
    sound = sound_model(tiny_bundle, sound_batch())
    return pack(sound, [*malformed_models(sound, MODELS, SEED), *models_of_any_shape(SHAPES, SEED)])


@pytest.fixture(scope="module")
def run(packed: bytes, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Outcomes]:
    """Return a cached function that runs all models with an instruction set."""

    def run_all(vectors: str) -> Outcomes:
        folder = tmp_path_factory.mktemp(vectors)
        if vectors in PROCESSORS:
            harness = compile_for_arm(vectors, folder, PROCESSORS[vectors], SYSROOT)
        else:
            harness = compile_harness(vectors, folder)
        return run_models(harness, packed, MODELS + SHAPES)

    return cache(run_all)


def _equal_bits(one: str, other: str) -> bool:
    """Compare the bits of logits, except for NaN, whose sign differs between ARM64 and x86-64."""
    bits = [np.frombuffer(bytes.fromhex(text), dtype=np.uint32) for text in (one, other)]
    nan = [np.isnan(array.view(np.float32)) for array in bits]
    return bool(np.all((bits[0] == bits[1]) | (nan[0] & nan[1])))


@pytest.mark.parametrize("vectors", PROCESSORS)
def test_arm64_outcomes_and_logits_match_avx2(run: Callable[[str], Outcomes], vectors: str) -> None:
    arm64, avx2 = run(vectors), run("avx2")
    assert arm64.faults == avx2.faults == {}
    assert arm64.refused == avx2.refused
    assert {*range(MODELS, MODELS + SHAPES)} <= arm64.done.keys()
    different = {number for number, logits in arm64.done.items() if not _equal_bits(logits, avx2.done[number])}
    assert not different


def test_arm64_program_reports_bit_identical_logits() -> None:
    """Runs Python with onnxruntime on the least and the most capable processor."""
    command = [sys.executable, "-m", "tests.arm64", "--messages", "40", "--only", "neon", "--only", "i8mm"]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert completed.stdout.count("there and here") == completed.stdout.count("bit-identical") / 2 == 2
