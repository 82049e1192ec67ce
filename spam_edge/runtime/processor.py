"""Detect the processor features that decide which model file is exact and fast.

Without VNNI, x86 has no instruction that accumulates products of 8-bit integers in 32 bits. onnxruntime's int8 kernels
then use one that adds two products in 16 bits and saturates. Other architectures have no such kernel.
"""

import ctypes
import platform
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

_CPUINFO = Path("/proc/cpuinfo")
_X86_64 = {"x86_64", "amd64"}
_ARM64 = {"aarch64", "arm64"}
_VNNI_FLAGS = {"avx512_vnni", "avx_vnni"}
_AVX512 = {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "fma"}
_VECTORS = {
    "amx": {*_AVX512, "amx_tile", "amx_int8"},
    "avx512": _AVX512,
    "avx_vnni": {"avx2", "fma", "avx_vnni"},
    "avx2": {"avx2", "fma"},
}
# Of getauxval() on Linux: the entries of the auxiliary vector, and their bits (arch/arm64/include/uapi/asm/hwcap.h).
_HWCAP, _HWCAP2 = 16, 26
_ASIMD, _ASIMDDP, _I8MM = 1 << 1, 1 << 20, 1 << 13
_NUMPY_GROUPS_WITH_VNNI = {"AVX512_CLX", "AVX512_ICL", "AVX512_SPR"}


class Processor(NamedTuple):
    """The processor this process runs on.

    Attributes:
        machine: architecture: ``x86-64``, ``aarch64``, ...
        vnni: VNNI was detected; meaningful on x86-64 only.
        vectors: instruction sets of the fused operator that were detected, the fastest first: ``amx``, ``avx512`` (with
            VNNI), ``avx_vnni``, ``avx2``; on ARM64 ``i8mm``, ``dotprod``, ``neon``.
    """

    machine: str
    vnni: bool
    vectors: tuple[str, ...] = ()

    @property
    def saturates(self) -> bool:
        """Whether onnxruntime's int8 kernels may saturate on this processor."""
        return self.machine == "x86-64" and not self.vnni

    @property
    def computes_in_fp16(self) -> bool:
        """Whether onnxruntime computes fp16 graphs in fp16 on this processor, instead of in fp32 with conversions."""
        return self.machine in _ARM64

    @property
    def name(self) -> str:
        """The architecture; on x86-64 with or without VNNI."""
        return f"x86-64 {'with' if self.vnni else 'without'} VNNI" if self.machine == "x86-64" else self.machine

    @property
    def description(self) -> str:
        """The name and its consequence for int8, human-readable."""
        if self.machine != "x86-64":
            return self.name
        return f"{self.name}: int8 sums are exact" + ("" if self.vnni else ", but slower")


@cache
def this_processor() -> Processor:
    """Detect the processor once per process. VNNI that cannot be detected counts as missing."""
    machine = platform.machine().lower()
    if machine in _ARM64:
        return Processor(machine, vnni=False, vectors=_arm_vectors(*_capabilities()))
    if machine not in _X86_64:
        return Processor(machine or "unknown", vnni=False)
    flags = _cpu_flags()
    if flags is None:
        return Processor("x86-64", vnni=_numpy_found_vnni())
    vectors = tuple(name for name, needed in _VECTORS.items() if flags >= needed)
    return Processor("x86-64", vnni=not flags.isdisjoint(_VNNI_FLAGS), vectors=vectors)


def _cpu_flags() -> set[str] | None:
    """Return the flags of the first processor in /proc/cpuinfo, or None if it lists none."""
    with suppress(OSError), _CPUINFO.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == "flags":
                return set(value.split())
    return None


def _capabilities() -> tuple[int, int]:
    """Return the words AT_HWCAP and AT_HWCAP2 that the kernel gave this process; 0 for both outside 64-bit Linux.

    /proc/cpuinfo lists the same features. It may be hidden in a sandbox, and under an emulator it is that of the host.
    """
    if sys.platform != "linux" or sys.maxsize < 2**32:  # 32-bit processes have other bits
        return 0, 0
    getauxval = ctypes.CDLL(None).getauxval
    getauxval.argtypes, getauxval.restype = [ctypes.c_ulong], ctypes.c_ulong
    return getauxval(_HWCAP), getauxval(_HWCAP2)


def _arm_vectors(first: int, second: int) -> tuple[str, ...]:
    """Return the instruction sets for the words AT_HWCAP and AT_HWCAP2, the fastest first."""
    found = {"i8mm": second & _I8MM, "dotprod": first & _ASIMDDP, "neon": True}
    return tuple(name for name, has in found.items() if first & _ASIMD and has)


def _numpy_found_vnni() -> bool:
    """Return whether numpy detected a feature group with VNNI; it knows the AVX-512 groups only."""
    found = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    return not _NUMPY_GROUPS_WITH_VNNI.isdisjoint(found)
