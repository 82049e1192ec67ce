"""A bundle exported from the tiny checkpoint by the command."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.parallel import MakeOnce

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def two_corpora(tiny_checkpoint: Path, make_once: MakeOnce) -> Path:
    """The tiny checkpoint with two corpora: every message is in a.csv, ham is also in ham.csv; read-only."""

    def fill(folder: Path) -> None:
        checkpoint = Path(shutil.copytree(tiny_checkpoint, folder / "checkpoint"))
        for path in (checkpoint / "splits").iterdir():
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            named = [row | {"corpus": ["a.csv", "ham.csv"][: 1 + (row["label"] == "HAM")]} for row in rows]
            path.write_text("".join(json.dumps(row) + "\n" for row in named), encoding="utf-8")

    return make_once("two corpora", fill) / "checkpoint"


@pytest.fixture(scope="session")
def bundle(two_corpora: Path, make_once: MakeOnce) -> Path:
    """The bundle of ``two_corpora``, alone in its folder; read-only."""
    from export.bundle_files import FILES

    def fill(folder: Path) -> None:
        command = [sys.executable, "-m", "export", "--checkpoint", two_corpora, "--name", "test"]
        command += ["--output", folder / "bundle"]
        completed = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert completed.returncode == 0, completed.stderr
        assert completed.stderr.count("  pass\n") == 2 * len(FILES) + 1

    return make_once("exported", fill) / "bundle"
