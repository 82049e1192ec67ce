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
LIBRARY = Path(__file__).parent / "native" / "libspam_encoder.so"


def obstacle() -> str:
    """Say why the operator cannot run here; empty if it can."""
    if not LIBRARY.is_file():
        return "this installation has no fused operator: it is built for Linux on x86-64"
    if not this_processor().wide_vnni:
        return "the fused operator needs a processor with AVX-512 and VNNI"
    return _refusal(LIBRARY)


@cache
def _refusal(library: Path) -> str:
    """Say why the system does not load the library; empty if it does."""
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return f"the fused operator does not load ({error}); install spam-edge again"
    return ""
