"""What more than one folder of tests needs."""

import runpy
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# A loaded machine is slow, not wrong.
settings.register_profile("spam-edge", deadline=None)
settings.load_profile("spam-edge")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def tiny_bundle() -> Path:
    """A real, very small bundle; see tests/data/README.md. Do not write into it."""
    return ROOT / "tests" / "data" / "tiny_bundle"


@pytest.fixture
def bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint that the tiny bundle was made from, trained again."""
    pytest.importorskip("torch")
    generator = runpy.run_path(str(ROOT / "tests" / "data" / "make_tiny_bundle.py"))
    checkpoint: Path = generator["make_checkpoint"](tmp_path_factory.mktemp("tiny") / "checkpoint")
    return checkpoint


@pytest.fixture(scope="session")
def real_bundle() -> Path:
    """The bundle that `make train export` built; tests that need it are skipped where there is none."""
    bundle = ROOT / "artifacts" / "bundle"
    if not (bundle / "manifest.json").is_file():
        pytest.skip("no artifacts/bundle: run `make train export` first")
    return bundle


@pytest.fixture(scope="session")
def real_checkpoint() -> Path:
    """The checkpoint that the real bundle was made from."""
    checkpoint = ROOT / "artifacts" / "checkpoint"
    if not (checkpoint / "training.json").is_file():
        pytest.skip("no artifacts/checkpoint: run `make train export` first")
    return checkpoint
