"""The emulator, and the processors that it is to be."""

import shutil

PROCESSORS = {"neon": "cortex-a72", "dotprod": "neoverse-n1", "i8mm": "max"}
"""For each instruction set of the fused operator, a processor of QEMU that has it and none that is better."""


class UnavailableError(Exception):
    """This machine cannot emulate ARM64; the message says what is missing."""


def emulator() -> str:
    """Return the path of QEMU's user mode for ARM64.

    Raises:
        UnavailableError: it is not installed.
    """
    for name in ("qemu-aarch64-static", "qemu-aarch64"):
        if path := shutil.which(name):
            return path
    raise UnavailableError("qemu-aarch64-static is not installed; install the Debian package qemu-user-static")
