"""Bundles for the parity tests."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "data" / "tiny_bundle"
REAL = ROOT / "artifacts" / "bundle"
BUNDLES = [
    pytest.param(TINY, id="tiny"),
    pytest.param(
        REAL, id="real", marks=pytest.mark.skipif(not (REAL / "manifest.json").is_file(), reason="no artifacts/bundle")
    ),
]
