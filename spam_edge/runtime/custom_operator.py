"""Find the library of the fused operator, and tell whether it runs on this machine.

The fused operator runs the whole model in one onnxruntime custom operator, written in C. It is several times as fast as
the graph of the int8 file and has no dependencies. Where it cannot run, the int8 graph computes the same model.
``native/onnxruntime.h`` explains how it and onnxruntime call each other.
"""

import ctypes
import os
from functools import cache
from pathlib import Path

from spam_edge.errors import OptionError
from spam_edge.runtime.engine import import_onnxruntime, reason_of
from spam_edge.runtime.processor import this_processor

DOMAIN = "spam_edge"
"""Operator domain in the ONNX file; must match ``native/operator.c``."""
OPERATOR = "SpamEncoder"
WEIGHTS = ".weights"
"""End of the names of constants that are the weights of a linear layer."""
ENVIRONMENT_VARIABLE = "SPAM_EDGE_INSTRUCTION_SET"
"""Names an instruction set other than the fastest usable, one of :attr:`Processor.vectors`."""
FOLDER = Path(__file__).parents[1] / "native"


def instruction_set() -> str:
    """Return the instruction set to use: ``$SPAM_EDGE_INSTRUCTION_SET``, else the fastest usable; empty if none is.

    Raises:
        OptionError: the variable names an instruction set that was not detected, or that the kernel refuses.
    """
    detected = this_processor().vectors
    wanted = os.environ.get(ENVIRONMENT_VARIABLE)
    if not wanted:
        return next(filter(is_permitted, detected), "")
    if wanted not in detected:
        raise OptionError(
            f"{ENVIRONMENT_VARIABLE} is {wanted}, which was not detected on this processor "
            f"(detected: {', '.join(detected) or 'none'}); unset it"
        )
    if not is_permitted(wanted):
        raise OptionError(f"{ENVIRONMENT_VARIABLE} is {wanted}, which the kernel refuses to this process; unset it")
    return wanted


def is_permitted(name: str) -> bool:
    """Ask the kernel whether this process may use an instruction set; see ``native/permission.c``.

    Only AMX needs that. True if its library is missing: :func:`unavailable_reason` says so.
    """
    return name != "amx" or _kernel_permits(_path(name))


def library() -> Path:
    """Return the path of the library to use; the file may be missing, see :func:`unavailable_reason`.

    Raises:
        OptionError: see :func:`instruction_set`.
    """
    return _path(instruction_set())


def unavailable_reason() -> str:
    """Return why the operator cannot run on this machine; empty if it can.

    Raises:
        OptionError: see :func:`instruction_set`.
        ProviderUnavailableError: onnxruntime is missing.
    """
    return unsuited_reason() or _refusal(library())


def unsuited_reason() -> str:
    """Return what :func:`unavailable_reason` finds before onnxruntime is imported, which is slow.

    Raises:
        OptionError: see :func:`instruction_set`.
    """
    chosen = instruction_set()
    if not any(FOLDER.glob("libspam_encoder_*.so")):
        return "this installation lacks the fused operator, which needs Linux on x86-64 or ARM64"
    if not chosen:
        return "the fused operator needs a processor with AVX2 and FMA"
    if not library().is_file():
        return f"this installation lacks the fused operator for {chosen}; reinstall spam-edge"
    return ""


def _path(name: str) -> Path:
    return FOLDER / f"libspam_encoder_{name}.so"


@cache
def _kernel_permits(path: Path) -> bool:
    try:
        return bool(ctypes.CDLL(str(path)).SpamEncoderPermitted())
    except OSError:
        return True


@cache
def _refusal(path: Path) -> str:
    """Return why the library does not load, or why it and onnxruntime do not fit together; empty if they do."""
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        return f"the fused operator does not load ({error}); reinstall spam-edge"
    options = import_onnxruntime().SessionOptions()
    try:
        options.register_custom_ops_library(str(path))
    except Exception as error:  # onnxruntime has no common base class for its errors
        return f"the fused operator does not fit the installed onnxruntime ({reason_of(error)}); upgrade onnxruntime"
    return ""
