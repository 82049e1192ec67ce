"""The fused operator gives the same logits with the oldest and the newest onnxruntime that pyproject.toml allows.

Each version is installed in an environment of its own. C code that calls a function of onnxruntime by a wrong slot or
signature, see native/onnxruntime.h, would crash or give other logits here.
"""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.fused]

# The largest difference of logits allowed. Kernels of onnxruntime may change from version to version, ours do not.
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


def _install(python: Path | str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--only-binary=:all:"]
    return subprocess.run([*command, *options], capture_output=True, text=True, check=False)


def _requirements() -> tuple[list[str], str]:
    """Return what the runtime needs besides onnxruntime, and which onnxruntime."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [engine] = project["optional-dependencies"]["cpu"]
    return project["dependencies"], engine


@pytest.fixture(scope="module")
def _index() -> None:
    """Skip where pip can install nothing."""
    done = _install(sys.executable, "--dry-run", "--ignore-installed", "--no-deps", "onnxruntime")
    if done.returncode:
        pytest.skip(f"pip cannot install onnxruntime here: {done.stderr.strip().splitlines()[-1]}")


@pytest.mark.usefixtures("_index")
@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_logits_are_those_of_the_version_installed_here(age: str, tiny_bundle: Path, tmp_path: Path) -> None:
    others, engine = _requirements()
    oldest = engine.removeprefix("onnxruntime>=")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    installed = _install(python, *others, f"onnxruntime=={oldest}" if age == "oldest" else engine)
    assert installed.returncode == 0, installed.stderr

    command = [str(python), "-c", CLASSIFY, str(tiny_bundle), str(tmp_path / "logits.npz"), *LIMITS]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert age == "newest" or done.stdout.startswith(oldest)

    texts = Golden.read(Bundle.find(tiny_bundle)).texts
    found = np.load(tmp_path / "logits.npz")
    for variant, limit in LIMITS.items():
        here = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu", variant=variant)).logits(texts)
        assert np.abs(found[variant] - here).max() <= limit, variant
