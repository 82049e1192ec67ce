"""The text library under sanitizers: random messages, several threads, refused memory, malformed vocabularies."""

import shutil
from pathlib import Path

import pytest

from tests.fuzz.runs import NATIVE
from tests.sanitizers.runs import SANITIZERS, TEXT_CHECKS, CompilerError, compile_text, run_stress, write_words

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def words(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "words"
    write_words(tiny_bundle, path)
    return path


def _compiled(sanitizer: str, folder: Path, native: Path = NATIVE) -> Path:
    try:
        return compile_text(sanitizer, folder, native)
    except CompilerError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_text_library_passes_all_sanitizer_checks(words: Path, tmp_path: Path, sanitizer: str) -> None:
    assert run_stress(_compiled(sanitizer, tmp_path), words) == ([*TEXT_CHECKS], "")


BROKEN = {
    "a row longer than it may be": (
        "wordpiece.c",
        "found < most - count ? found : most - count",
        "found",
        0,
        "overflow",
    ),
    "ids beyond the capacity": ("text.c", "capacity - used >= most && ", "", 0, "overflow"),
    "a word longer than its array": (
        *("joining.c", "if (size < LONGEST) joined[size] =", "joined[size] =", 0, "index 20 out of bounds"),
    ),
    "a message longer than the scratch memory": ("text.c", "size <= MOST_CHARACTERS && ", "", 0, "insufficient space"),
    "an allocation that is not checked": ("text.c", "scratch && ", "", 2, "null pointer"),
    "words read beyond their end": (
        *(
            "vocabulary.c",
            "tables->size - start);\n        if (!end)",
            "tables->size);\n        if (!end)",
            3,
            "overflow",
        ),
    ),
    "JSON read beyond its end": (
        *("vocabulary_json.c", "if (reader->at == reader->end) return 0;\n        uint32_t", "uint32_t", 4, "overflow"),
    ),
    "memory that is not freed": ("text.c", "    free(scratch);\n", "", 5, "AddressSanitizer"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_sanitizer_detects_fault_injected_into_text_library(words: Path, tmp_path: Path, name: str) -> None:
    file, right, wrong, check, reason = BROKEN[name]
    native = Path(shutil.copytree(NATIVE, tmp_path / "native"))
    code = (native / "text" / file).read_text(encoding="utf-8")
    assert right in code
    (native / "text" / file).write_text(code.replace(right, wrong), encoding="utf-8")
    passed, report = run_stress(_compiled(SANITIZERS[0], tmp_path, native), words)
    assert (*TEXT_CHECKS, "the end")[len(passed)] == (*TEXT_CHECKS, "the end")[check]
    assert reason in report
