"""The fused operator gives the same logits with the oldest and the newest onnxruntime that pyproject.toml allows.

Each version is installed in its own folder, which precedes the packages of this environment on the path. C code that
calls a function of onnxruntime by a wrong slot or signature would crash or give other logits; see native/onnxruntime.h.
"""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.fused]

# Maximum difference of logits. Kernels of onnxruntime may change between versions; the fused operator does not.
LIMITS = {"fused": 0.0, "int8": 0.01, "fp32": 1e-4}

CLASSIFY = """
import sys
import numpy as np
import onnxruntime
from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
bundle, target, *variants = sys.argv[1:]
texts = Golden.read(Bundle.find(bundle)).texts
def logits(variant):
    return SpamClassifier.load(bundle, RuntimeOptions(device="cpu", variant=variant)).logits(texts)
np.savez(target, **{variant: logits(variant) for variant in variants})
print(onnxruntime.__version__)
"""


def _pip(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "--no-deps", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _engine() -> str:
    """Return the requirement of onnxruntime, such as ``onnxruntime>=1.27``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [engine] = project["optional-dependencies"]["cpu"]
    return str(engine)


@pytest.fixture(scope="module")
def versions() -> dict[str, str]:
    """The oldest and the newest allowed version; skips the test if pip cannot install onnxruntime."""
    completed = _pip("--dry-run", "--ignore-installed", "--report", "-", _engine())
    if completed.returncode:
        pytest.skip(f"pip cannot install onnxruntime here: {completed.stderr.strip().splitlines()[-1]}")
    [package] = json.loads(completed.stdout)["install"]
    return {"oldest": _engine().partition(">=")[2], "newest": package["metadata"]["version"]}


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_logits_match_installed_onnxruntime_version(
    age: str, versions: dict[str, str], tiny_bundle: Path, tmp_path: Path
) -> None:
    if versions[age] == onnxruntime.__version__:
        pytest.skip(f"onnxruntime {versions[age]} is the one installed here")
    installed = _pip("--target", str(tmp_path / "packages"), f"onnxruntime=={versions[age]}")
    assert installed.returncode == 0, installed.stderr

    command = [sys.executable, "-c", CLASSIFY, str(tiny_bundle), str(tmp_path / "logits.npz"), *LIMITS]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "packages"), str(ROOT)])}
    completed = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.startswith(versions[age])

    texts = Golden.read(Bundle.find(tiny_bundle)).texts
    actual = np.load(tmp_path / "logits.npz")
    for variant, limit in LIMITS.items():
        expected = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu", variant=variant)).logits(texts)
        assert np.abs(actual[variant] - expected).max() <= limit, variant
