"""Compile the fused operator: a build hook of hatchling.

The compiler is the clang of the wheel ``ziglang``, so a build needs only pip. On other architectures, and without that
wheel, the package is built without the operator and runs without it.
"""

import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FOLDER = Path(__file__).parent
# One library per instruction set, from the same sources. spam_edge/runtime/custom_operator.py chooses at run time.
DEFINITIONS = {
    "amx": ["-DSPAM_EDGE_AMX"],
    "avx512": [],
    "avx_vnni": ["-DSPAM_EDGE_AVX_VNNI"],
    "avx2": ["-DSPAM_EDGE_AVX2"],
}
# glibc 2.17, the minimum of manylinux2014 wheels (PEP 599).
_TARGET, _TAG = "x86_64-linux-gnu.2.17", "py3-none-manylinux_2_17_x86_64"
# No -ffast-math and no contraction: the order and rounding of sums are fixed, so scores do not depend on the batch.
_FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
# A memory fault that the checks of operator.c miss should end the process, not run code of an attacker.
_HARDENED = ["-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection=full", "-D_FORTIFY_SOURCE=3"]
# nodelete: the fork handler of thread_pool.c must outlive the last session.
_LINKED = ["-s", "-shared", "-fPIC", *(f"-Wl,-z,{word}" for word in ("nodelete", "relro", "now", "noexecstack"))]
_LIBRARIES = ["-lm", "-lpthread"]


class NativeBuildHook(BuildHookInterface[Any]):
    """Add the libraries to a wheel, and to the source tree for an editable installation."""

    def dependencies(self) -> list[str]:
        """Require the compiler only on supported platforms."""
        return ["ziglang>=0.15"] if _is_supported() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the libraries before the files of the wheel are collected."""
        if self.target_name != "wheel" or not _is_supported() or find_spec("ziglang") is None:
            return
        libraries = [compile_library(name, definitions) for name, definitions in DEFINITIONS.items()]
        build_data["artifacts"] += [path.relative_to(self.root).as_posix() for path in libraries]
        build_data["pure_python"] = False
        build_data["tag"] = _TAG


def compile_library(name: str, definitions: list[str], folder: Path = _FOLDER) -> Path:
    """Compile and link all C files beside this one to the library of an instruction set, and return its path.

    Raises:
        subprocess.CalledProcessError: the compiler is missing or failed; it has printed the reason.
    """
    target = folder / f"libspam_encoder_{name}.so"
    sources = sorted(map(str, _FOLDER.glob("*.c")))
    command = [sys.executable, "-m", "ziglang", "cc", "-target", _TARGET, *_FLAGS, *_HARDENED]
    scratch = target.with_suffix(".part")  # replaced atomically: a process may have loaded the library
    subprocess.run([*command, *definitions, *sources, *_LINKED, *_LIBRARIES, "-o", str(scratch)], check=True)
    scratch.replace(target)
    return target


def _is_supported() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"


if __name__ == "__main__" and _is_supported():
    for each, selected in DEFINITIONS.items():
        compile_library(each, selected)
