"""Describe the machine and the library versions of a measurement."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_LIBRARIES = (
    "spam-edge",
    "onnxruntime",
    "onnxruntime-gpu",
    "tokenizers",
    "numpy",
    "torch",
    "transformers",
    "optimum",
    "optimum-onnx",
    "ctranslate2",
    "openvino",
    "nncf",
)
_X86 = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
_ARM = ("asimddp", "i8mm", "bf16")
_CPUINFO = Path("/proc/cpuinfo")


def describe_machine(threads: int) -> dict[str, Any]:
    """Return processor, instruction sets, threads, OpenMP wait policy, memory and versions."""
    flags = set((_cpuinfo("flags") or _cpuinfo("Features")).split())
    return {
        "processor": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "units": [name for name in (*_X86, *_ARM) if name in flags],
        "cpus": os.cpu_count(),
        "threads": threads,
        "wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def _cpuinfo(key: str) -> str:
    if not _CPUINFO.is_file():
        return ""
    lines = (line.partition(":") for line in _CPUINFO.read_text().splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), "")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
