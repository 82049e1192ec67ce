"""What the processor is: whether onnxruntime's fast int8 products are exact on it.

Without VNNI, x86 has no instruction that adds products of 8-bit integers in 32 bits, and onnxruntime's kernels take
one that adds two of them in 16 bits and cuts off what does not fit. Other architectures have no such kernel.
"""

import platform
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

_CPUINFO = Path("/proc/cpuinfo")
_X86_64 = {"x86_64", "amd64"}
_VNNI_FLAGS = {"avx512_vnni", "avx_vnni"}
_VECTORS = {
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "fma"},
    "avx2": {"avx2", "fma"},
}
_NUMPY_GROUPS_WITH_VNNI = {"AVX512_CLX", "AVX512_ICL", "AVX512_SPR"}


@dataclass(frozen=True, slots=True)
class Processor:
    """The processor this process runs on.

    Attributes:
        machine: the architecture: ``x86-64``, ``aarch64``, ...
        vnni: whether it is known to have VNNI; of no meaning on other architectures than x86-64.
        vectors: which of the instructions that the fused operator is compiled for it has: ``avx512`` (with VNNI), else
            ``avx2``; empty where it is not known to have either.
    """

    machine: str
    vnni: bool
    vectors: str = ""

    @property
    def saturates(self) -> bool:
        """Whether onnxruntime's fast int8 products may saturate here."""
        return self.machine == "x86-64" and not self.vnni

    @property
    def name(self) -> str:
        """The architecture, on x86-64 with what decides on int8."""
        return f"x86-64 {'with' if self.vnni else 'without'} VNNI" if self.machine == "x86-64" else self.machine

    @property
    def description(self) -> str:
        """What it is and means for int8, for people."""
        if self.machine != "x86-64":
            return self.name
        return f"{self.name}: int8 sums are exact" + ("" if self.vnni else ", but slower")


@cache
def this_processor() -> Processor:
    """Look at the processor once; VNNI that cannot be found out about is taken to be missing."""
    machine = platform.machine().lower()
    if machine not in _X86_64:
        return Processor(machine or "unknown", vnni=False)
    flags = _cpu_flags()
    if flags is None:
        return Processor("x86-64", vnni=_numpy_found_vnni())
    vectors = next((name for name, needed in _VECTORS.items() if flags >= needed), "")
    return Processor("x86-64", vnni=not flags.isdisjoint(_VNNI_FLAGS), vectors=vectors)


def _cpu_flags() -> set[str] | None:
    """Return the flags of the first processor, or None where Linux does not list them."""
    with suppress(OSError), _CPUINFO.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == "flags":
                return set(value.split())
    return None


def _numpy_found_vnni() -> bool:
    """Whether numpy found a group of instructions that includes VNNI; it knows the AVX-512 ones alone."""
    found = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    return not _NUMPY_GROUPS_WITH_VNNI.isdisjoint(found)
