"""The operator that runs a whole model at once, written in C: where its library lies, and whether it runs here.

onnxruntime runs it as it runs its own operators. It is several times as fast as the int8 file's graph of small ones,
and needs nothing that a wheel does not bring; where it cannot run, the graph does the same work.
"""

import ctypes
from functools import cache
from pathlib import Path

from spam_edge.processor import this_processor

DOMAIN = "spam_edge"
"""Operator domain in an ONNX file; the folder ``native`` says the same in C."""
OPERATOR = "SpamEncoder"
FOLDER = Path(__file__).parent / "native"


def library() -> Path:
    """Return the library that is compiled for this processor; it may not be there, see :func:`obstacle`."""
    return FOLDER / f"libspam_encoder_{this_processor().vectors}.so"


def obstacle() -> str:
    """Say why the operator cannot run here; empty if it can."""
    if not any(FOLDER.glob("libspam_encoder_*.so")):
        return "this installation has no fused operator: it is built for Linux on x86-64"
    if not library().is_file():
        return "the fused operator needs a processor with AVX2 and FMA"
    return _refusal(library())


@cache
def _refusal(path: Path) -> str:
    """Say why the system does not load the library; empty if it does."""
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        return f"the fused operator does not load ({error}); install spam-edge again"
    return ""
