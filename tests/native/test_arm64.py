"""The instruction sets of ARM64 give the logits of this machine's, bit by bit. QEMU emulates the processors."""

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
    """The tiny model, malformed ones, and sound ones of any shape."""
    sound = sound_model(tiny_bundle, sound_batch())
    return pack(sound, [*malformed_models(sound, MODELS, SEED), *models_of_any_shape(SHAPES, SEED)])


@pytest.fixture(scope="module")
def run(packed: bytes, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Outcomes]:
    """Return a function that runs all models with an instruction set, once."""

    def run_all(vectors: str) -> Outcomes:
        folder = tmp_path_factory.mktemp(vectors)
        if vectors in PROCESSORS:
            harness = compile_for_arm(vectors, folder, PROCESSORS[vectors], SYSROOT)
        else:
            harness = compile_harness(vectors, folder)
        return run_models(harness, packed, MODELS + SHAPES)

    return cache(run_all)


def _same(one: str, other: str) -> bool:
    """Compare the bits of logits. NaN has another sign on ARM64 than on x86-64."""
    bits = [np.frombuffer(bytes.fromhex(text), dtype=np.uint32) for text in (one, other)]
    nan = [np.isnan(array.view(np.float32)) for array in bits]
    return bool(np.all((bits[0] == bits[1]) | (nan[0] & nan[1])))


@pytest.mark.parametrize("vectors", PROCESSORS)
def test_sound_and_malformed_models_end_as_on_this_machine(run: Callable[[str], Outcomes], vectors: str) -> None:
    there, here = run(vectors), run("avx2")
    assert there.faults == here.faults == {}
    assert there.refused == here.refused
    assert {*range(MODELS, MODELS + SHAPES)} <= there.done.keys()
    different = {number for number, logits in there.done.items() if not _same(logits, here.done[number])}
    assert not different


def test_the_program_finds_no_difference() -> None:
    """A whole Python with onnxruntime, on the least and the best of the processors."""
    command = [sys.executable, "-m", "tests.arm64", "--messages", "40", "--only", "neon", "--only", "i8mm"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("there and here") == done.stdout.count("bit-identical") / 2 == 2
