"""Provenance: the versions of what is installed, whichever build of onnxruntime that is."""

import platform

import numpy as np

from export.provenance import LIBRARIES
from spam_edge.training.checkpoint import versions


def test_a_library_that_is_not_installed_is_left_out() -> None:
    expected = {"python": platform.python_version(), "numpy": np.__version__}
    assert versions(("spam-edge-of-nobody", "numpy")) == expected


def test_either_build_of_onnxruntime_is_recorded() -> None:
    assert {"onnxruntime", "onnxruntime-gpu"} <= set(LIBRARIES)
    assert {"onnxruntime", "onnxruntime-gpu"} & versions(LIBRARIES).keys()
