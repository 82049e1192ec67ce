"""Compile the fused operator and the text library: a build hook of hatchling.

The compiler is the clang of the wheel ``ziglang``, so a build needs only pip. On other architectures, and without that
wheel, the package is built without them and runs without them. The clang compiles for every architecture:
``$SPAM_EDGE_TARGET`` (``x86_64`` or ``aarch64``) names another one than this machine's, and the wheel is for that one.
"""

import argparse
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Target:
    """An architecture to compile for.

    Attributes:
        machine: its name in the compiler's target and in the tag of a wheel.
        definitions: of each instruction set, those that select it in the C files; the fastest first.
        branches: protection of indirect branches and returns, which differs by architecture.
    """

    machine: str
    definitions: dict[str, list[str]]
    branches: str

    @property
    def triple(self) -> str:
        """The compiler's target: glibc 2.17, the minimum of manylinux2014 wheels (PEP 599)."""
        return f"{self.machine}-linux-gnu.2.17"

    @property
    def tag(self) -> str:
        """The tag of a wheel."""
        return f"py3-none-manylinux_2_17_{self.machine}"


# One library of the operator per instruction set, from the same sources; spam_edge/runtime/custom_operator.py chooses.
_X86 = {
    "amx": ["-DSPAM_EDGE_AMX"],
    "avx512": [],
    "avx_vnni": ["-DSPAM_EDGE_AVX_VNNI"],
    "avx2": ["-DSPAM_EDGE_AVX2"],
}
_ARM = {name: [f"-DSPAM_EDGE_{name.upper()}"] for name in ("i8mm", "dotprod", "neon")}
TARGETS = {
    "x86_64": Target("x86_64", _X86, "-fcf-protection=full"),
    "aarch64": Target("aarch64", _ARM, "-mbranch-protection=standard"),
}
ENVIRONMENT_VARIABLE = "SPAM_EDGE_TARGET"
"""Names the architecture to compile for; by default this machine's."""
# No -ffast-math and no contraction: the order and rounding of sums are fixed, so scores do not depend on the batch.
_FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
# A memory fault that the checks of operator.c miss should end the process, not run code of an attacker.
_HARDENED = ["-fstack-protector-strong", "-fstack-clash-protection", "-D_FORTIFY_SOURCE=3"]
# nodelete: the fork handler of thread_pool.c must outlive the last session.
_LINKED = ["-s", "-shared", "-fPIC", *(f"-Wl,-z,{word}" for word in ("nodelete", "relro", "now", "noexecstack"))]
_LIBRARIES = ["-lm", "-lpthread"]


class NativeBuildHook(BuildHookInterface[Any]):
    """Add the libraries to a wheel, and to the source tree for an editable installation."""

    def dependencies(self) -> list[str]:
        """Require the compiler only where there is something to compile."""
        return ["ziglang>=0.15"] if chosen_target() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the libraries before the files of the wheel are collected."""
        target = chosen_target()
        if self.target_name != "wheel" or target is None or find_spec("ziglang") is None:
            return
        libraries = compile_libraries(target)
        build_data["artifacts"] += [path.relative_to(self.root).as_posix() for path in libraries]
        build_data["pure_python"] = False
        build_data["tag"] = target.tag


def chosen_target() -> Target | None:
    """Return the target that ``$SPAM_EDGE_TARGET`` names, else that of this machine; None if it has no libraries.

    Raises:
        ValueError: the variable names an architecture without libraries.
    """
    wanted = os.environ.get(ENVIRONMENT_VARIABLE)
    if wanted:
        if wanted not in TARGETS:
            raise ValueError(f"{ENVIRONMENT_VARIABLE} is {wanted}; set it to one of: {', '.join(TARGETS)}")
        return TARGETS[wanted]
    if sys.platform != "linux" or sys.maxsize < 2**32 or platform.libc_ver()[0] != "glibc":
        return None
    return TARGETS.get(platform.machine())


def compile_libraries(target: Target) -> list[Path]:
    """Compile the library of each instruction set and the text library into this folder, and return their paths.

    Raises:
        subprocess.CalledProcessError: see :func:`compile_library`.
    """
    operators = [compile_library(target, name, definitions) for name, definitions in target.definitions.items()]
    return [*operators, compile_text_library(target)]


def compile_library(target: Target, name: str, definitions: list[str], folder: Path = _FOLDER) -> Path:
    """Compile and link all C files beside this one to the library of an instruction set, and return its path.

    Raises:
        subprocess.CalledProcessError: the compiler is missing or failed; it has printed the reason.
    """
    return _compile(target, definitions, _FOLDER, folder / f"libspam_encoder_{name}.so")


def compile_text_library(target: Target, folder: Path = _FOLDER, sources: Path = _FOLDER / "text") -> Path:
    """Compile and link the C files of ``text`` and return the path of the library: one per architecture.

    Raises:
        subprocess.CalledProcessError: see :func:`compile_library`.
    """
    return _compile(target, [], sources, folder / f"libspam_text_{target.machine}.so")


def _compile(target: Target, definitions: list[str], folder: Path, path: Path) -> Path:
    sources = sorted(map(str, folder.glob("*.c")))
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target.triple, *_FLAGS, *_HARDENED, target.branches]
    # Replaced atomically: a process may have loaded the library, and another may be compiling it.
    scratch = path.with_name(f"{path.stem}.{os.getpid()}.part")
    subprocess.run([*command, *definitions, *sources, *_LINKED, *_LIBRARIES, "-o", str(scratch)], check=True)
    scratch.replace(path)
    return path


def main() -> None:
    """Compile for the target that the command line names, else for :func:`chosen_target`."""
    parser = argparse.ArgumentParser(
        description="Compile the fused operator and the text library into spam_edge/native."
    )
    parser.add_argument("--target", choices=TARGETS, help="architecture to compile for (default: this machine's)")
    wanted = parser.parse_args().target
    target = TARGETS[wanted] if wanted else chosen_target()
    if target:
        compile_libraries(target)


if __name__ == "__main__":
    main()
