"""The device and the number format a machine trains in fastest."""

import platform
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where training runs.

    Attributes:
        device: ``cuda``, ``mps`` or ``cpu``.
        name: the device in words.
        precision: ``bf16``, ``fp16`` or ``fp32``; the weights and the optimiser stay in fp32 in any case.
    """

    device: str
    name: str
    precision: str


def detect() -> Hardware:
    """Find the GPU, else the CPU, and whether it computes in bfloat16 natively."""
    if torch.cuda.is_available():
        # Before Ampere PyTorch only emulates bf16, which is slower than fp32; fp16 has tensor cores there.
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return Hardware("cuda", torch.cuda.get_device_name(), "bf16" if native else "fp16")
    if torch.backends.mps.is_available():
        return Hardware("mps", "Apple GPU", "fp32")
    # Not in every torch we accept; without it a CPU trains in fp32, which is never wrong.
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    native = any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    return Hardware("cpu", str(capabilities.get("cpu_name") or platform.machine()), "bf16" if native else "fp32")
