"""The sources that determine a checkpoint or a bundle are listed once and completely."""

import re
from pathlib import Path

import pytest

from export.sources import PATTERNS, code_fingerprint, files
from tests.support.imports import EDGES, FILES, ROOT, TYPING
from tests.support.make import needs_make, planned

PROGRAMS = {"checkpoint": "spam_edge.training.__main__", "bundle": "export.__main__"}
DECIDES_NOTHING = {
    "checkpoint": {
        "spam_edge/__init__.py", "spam_edge/atomic/__init__.py", "spam_edge/atomic/directories.py",
        "spam_edge/atomic/files.py", "spam_edge/atomic/partials.py", "spam_edge/errors.py", "spam_edge/escapes.py",
        "spam_edge/readers/__init__.py", "spam_edge/signals.py", "spam_edge/text/__init__.py",
    },
    "bundle": {"spam_edge/readers/__init__.py", "spam_edge/training/__init__.py"},
}  # fmt: skip
"""Modules imported only for names, errors and file writing."""
BUILT = {".pyc", ".so", ".part"}


def _needed(program: str) -> set[str]:
    """Return the files of all modules that a program imports, directly or transitively, with their packages."""
    needed, waiting = set[str](), [program]
    while waiting:
        module = waiting.pop()
        if module in FILES and module not in needed:
            needed.add(module)
            waiting += [imported for importing, imported, kind in EDGES if importing == module and kind != TYPING]
            waiting.append(module.rpartition(".")[0])
    return {FILES[module].relative_to(ROOT).as_posix() for module in needed}


@pytest.mark.parametrize("built", PATTERNS)
def test_imported_modules_are_listed_as_sources(built: str) -> None:
    missing = _needed(PROGRAMS[built]) - set(files(PATTERNS[built]))
    assert missing == DECIDES_NOTHING[built]


@pytest.mark.parametrize("built", PATTERNS)
def test_data_files_beside_listed_modules_are_listed(built: str) -> None:
    listed = set(files(PATTERNS[built]))
    folders = {(ROOT / name).parent for name in listed if name.count("/") > 1}
    beside = {path for folder in folders for path in folder.iterdir() if path.suffix not in {*BUILT, ".py", ""}}
    assert {path.relative_to(ROOT).as_posix() for path in beside} <= listed


@pytest.mark.parametrize("pattern", sorted({pattern for patterns in PATTERNS.values() for pattern in patterns}))
def test_every_source_pattern_matches_files(pattern: str) -> None:
    assert files([pattern])


@needs_make
def test_makefile_lists_same_sources() -> None:
    shown = planned("--print-data-base", "help")
    for variable, built in (("TRAIN_CODE", "checkpoint"), ("EXPORT_CODE", "bundle")):
        [names] = re.findall(rf"^{variable} := (.*)$", shown, flags=re.MULTILINE)
        assert names.split() == files(PATTERNS[built])


@needs_make
def test_changed_source_triggers_export(tmp_path: Path) -> None:
    for name in ("checkpoint/training.json", "bundle/manifest.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()

    places = ["export", f"CHECKPOINT={tmp_path}/checkpoint", f"BUNDLE={tmp_path}/bundle"]
    assert "-m export" not in planned(*places)
    for name in ("spam_edge/native/simd/vectors.h", "spam_edge/decision/calibration.py", "export/report/model_card.md"):
        assert "-m export" in planned(f"--what-if={name}", *places)


def test_fingerprint_depends_on_file_names_and_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.sources.ROOT", tmp_path)
    (tmp_path / "a.py").write_text("1")
    before = code_fingerprint(["*.py"])
    assert code_fingerprint(["a.*"]) == before
    (tmp_path / "a.py").write_text("2")
    changed = code_fingerprint(["*.py"])
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({before, changed, code_fingerprint(["*.py"])}) == 3
