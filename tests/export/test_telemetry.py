"""onnxruntime writes no telemetry identity to the home folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.imports import ROOT

RUNTIME = "from spam_edge import SpamClassifier; SpamClassifier.load(sys.argv[1]).classify('hi')"
TRAINING_AND_EXPORT = "import export.assembly, export.alternatives, spam_edge.training.__main__, spam_edge.training.run"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(RUNTIME, id="runtime"),
        pytest.param(TRAINING_AND_EXPORT, id="training and export", marks=pytest.mark.slow),
    ],
)
def test_onnxruntime_writes_no_files_to_home_folder(tmp_path: Path, tiny_bundle: Path, code: str) -> None:
    if code != RUNTIME:
        pytest.importorskip("optimum")
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment = kept | {"HOME": str(home), "USERPROFILE": str(home), "ORT_DISABLE_TELEMETRY": "0"}
    command = [sys.executable, "-c", f"import sys; {code}; assert 'onnxruntime' in sys.modules", tiny_bundle]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    written = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    assert [name for name in written if "matplotlib" not in name] == []
