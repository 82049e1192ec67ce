"""Compile the fused operator when the package is built: a hook of hatchling.

The compiler is the clang of the wheel ``ziglang``, the same everywhere and installed by pip like everything else, so
that nobody needs one of their own. Where there is no such wheel, or the processor has another architecture, the package
is built without the operator, and runs without it.
"""

import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FOLDER = Path(__file__).parent
# One library for each kind of processor, from the same files; spam_edge/fused.py takes the one that suits.
LIBRARIES = {
    _FOLDER / "libspam_encoder_avx512.so": [],
    _FOLDER / "libspam_encoder_avx2.so": ["-DSPAM_EDGE_AVX2"],
}
# The oldest C library that Python's wheels promise to need (manylinux2014, PEP 599).
_TARGET, _TAG = "x86_64-linux-gnu.2.17", "py3-none-manylinux_2_17_x86_64"
# No -ffast-math: sums keep their order, so that a score does not depend on the batch.
_FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
# The system calls into the library at every fork, see team.c, so it must not go when the last session does.
_LINKED = ["-s", "-shared", "-fPIC", "-Wl,-z,nodelete", "-lm", "-lpthread"]


class NativeBuildHook(BuildHookInterface[Any]):
    """Adds the libraries to a wheel, and to the source tree for an editable installation."""

    def dependencies(self) -> list[str]:
        """Ask for the compiler only where it can be of use."""
        return ["ziglang>=0.15"] if _is_supported() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files of the wheel are collected."""
        if self.target_name != "wheel" or not _is_supported() or find_spec("ziglang") is None:
            return
        compile_libraries()
        build_data["artifacts"] += [path.relative_to(self.root).as_posix() for path in LIBRARIES]
        build_data["pure_python"] = False
        build_data["tag"] = _TAG


def compile_libraries() -> None:
    """Compile and link all C files of this folder, once for each library.

    Raises:
        subprocess.CalledProcessError: the compiler is not there or not content; it has said why.
    """
    sources = sorted(map(str, _FOLDER.glob("*.c")))
    command = [sys.executable, "-m", "ziglang", "cc", "-target", _TARGET, *_FLAGS]
    for target, definitions in LIBRARIES.items():
        scratch = target.with_suffix(".part")  # a process that runs the library must not see it change
        subprocess.run([*command, *definitions, *sources, *_LINKED, "-o", str(scratch)], check=True)
        scratch.replace(target)


def _is_supported() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"


if __name__ == "__main__" and _is_supported():
    compile_libraries()
