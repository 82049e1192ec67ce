"""Detection of the training device and its fastest precision."""

import platform
import time
from dataclasses import dataclass
from functools import cache

import torch
from transformers import DistilBertConfig, DistilBertModel

from spam_edge.resources import available_threads

_LAYER = DistilBertConfig(
    vocab_size=8, dim=384, hidden_dim=1536, n_heads=12, n_layers=1, dropout=0.0, attention_dropout=0.0
)
_BATCH = (16, 36)  # messages, tokens: the mean length of the default corpus
_ROUNDS = 5
_SPEEDUP = 1.2
"""bf16 rounds, so it must be clearly faster."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """Training device and compute precision.

    Attributes:
        device: ``cuda``, ``mps`` or ``cpu``.
        name: device name for people.
        precision: autocast precision, ``bf16``, ``fp16`` or ``fp32``. Weights and optimiser state are always fp32.
    """

    device: str
    name: str
    precision: str


def detect() -> Hardware:
    """Detect the GPU, else the CPU, and its fastest precision."""
    if torch.cuda.is_available():
        # Before Ampere PyTorch emulates bf16, which is slower than fp32. fp16 runs on tensor cores there.
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return Hardware("cuda", torch.cuda.get_device_name(), "bf16" if native else "fp16")
    if torch.backends.mps.is_available():
        return Hardware("mps", "Apple GPU", "fp32")
    # Older supported versions of torch lack get_capabilities; fp32 is the safe default.
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    native = any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    name = str(capabilities.get("cpu_name") or platform.machine())
    return Hardware("cpu", name, "bf16" if native and bf16_speedup() >= _SPEEDUP else "fp32")


@cache
def bf16_speedup() -> float:
    """Time one transformer layer forward and backward in fp32 and in bf16 autocast, and return the ratio.

    A processor with bf16 instructions is not always faster with them. On two cores of a Xeon with AVX512-BF16 and
    without AMX, a training step took 0.19 s in fp32 and 0.46 s in bf16.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(available_threads())
    try:
        with torch.random.fork_rng(devices=[]):
            layer = DistilBertModel(_LAYER)
        ids = torch.zeros(_BATCH, dtype=torch.int64)

        def seconds(*, bf16: bool) -> float:
            began = time.perf_counter()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                output = layer(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            output.sum().backward()
            return time.perf_counter() - began

        rounds = [(seconds(bf16=False), seconds(bf16=True)) for _ in range(1 + _ROUNDS)][1:]  # the first is warm-up
    finally:
        torch.set_num_threads(threads)
    # The minimum of each, because other processes only add time.
    return min(fp32 for fp32, _ in rounds) / min(bf16 for _, bf16 in rounds)
