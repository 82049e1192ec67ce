"""A tiny checkpoint, trained once for all export tests."""

import importlib.util
from pathlib import Path

import pytest

GENERATOR = Path(__file__).parents[1] / "data" / "make_tiny_bundle.py"


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    specification = importlib.util.spec_from_file_location("make_tiny_bundle", GENERATOR)
    assert specification is not None
    assert specification.loader is not None
    generator = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(generator)
    checkpoint: Path = generator.make_checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint")
    return checkpoint
