"""Provenance: versions of the installed libraries, for either build of onnxruntime."""

import platform

import numpy as np

from export.provenance import LIBRARIES
from spam_edge.training.checkpoint import versions


def test_uninstalled_library_is_omitted_from_versions() -> None:
    expected = {"python": platform.python_version(), "numpy": np.__version__}
    assert versions(("spam-edge-of-nobody", "numpy")) == expected


def test_installed_onnxruntime_build_is_recorded() -> None:
    assert {"onnxruntime", "onnxruntime-gpu"} <= set(LIBRARIES)
    assert {"onnxruntime", "onnxruntime-gpu"} & versions(LIBRARIES).keys()
