"""The operator under sanitizers: threads, sessions, forks, refused threads and memory. See ``make sanitize``."""

import shutil
from pathlib import Path

import pytest

from spam_edge.runtime.custom_operator import instruction_set
from tests.fuzz.runs import NATIVE
from tests.sanitizers.runs import CHECKS, SANITIZERS, CompilerError, compile_stress, run_stress, write_model

pytestmark = [pytest.mark.fused, pytest.mark.slow]


@pytest.fixture(scope="module")
def model(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model"
    write_model(tiny_bundle, path)
    return path


def _compiled(sanitizer: str, vectors: str, folder: Path, native: Path = NATIVE) -> Path:
    try:
        return compile_stress(sanitizer, vectors, folder, native)
    except CompilerError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_operator_passes_all_sanitizer_checks(model: Path, tmp_path: Path, sanitizer: str) -> None:
    """Runs the default instruction set; ``make sanitize`` runs all."""
    assert run_stress(_compiled(sanitizer, instruction_set(), tmp_path), model) == ([*CHECKS], "")


BROKEN = {
    "a race": ("thread", "thread_pool.c", "memory_order_release", "memory_order_relaxed", CHECKS[0], "data race"),
    "an allocation that is not checked": (
        *("address,undefined", "linear.c", "if (!linear->memory) return -1;", "", CHECKS[-1], "AddressSanitizer: SEGV"),
    ),
    "memory that is not freed": (
        *("address,undefined", "linear.c", "    free(linear->starts);\n", "", "the end", "AddressSanitizer"),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_sanitizer_detects_fault_injected_into_operator(model: Path, tmp_path: Path, name: str) -> None:
    sanitizer, file, right, wrong, check, reason = BROKEN[name]
    native = Path(shutil.copytree(NATIVE, tmp_path / "native"))
    code = (native / file).read_text(encoding="utf-8")
    assert right in code
    (native / file).write_text(code.replace(right, wrong), encoding="utf-8")
    passed, report = run_stress(_compiled(sanitizer, instruction_set(), tmp_path, native), model)
    assert (*CHECKS, "the end")[len(passed)] == check
    assert reason in report
