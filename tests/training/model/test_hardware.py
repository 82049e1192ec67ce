"""The training device and its precision."""

from collections.abc import Mapping

import pytest
import torch

from spam_edge.training.model import hardware
from spam_edge.training.model.hardware import bf16_speedup, detect


@pytest.fixture(autouse=True)
def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("capabilities", "speedup", "precision"),
    [
        ({"avx512_bf16": True, "cpu_name": "Xeon"}, 1.5, "bf16"),
        ({"avx512_bf16": True, "cpu_name": "Xeon"}, 0.5, "fp32"),
        ({"amx_bf16": True, "cpu_name": "Xeon"}, 1.5, "bf16"),
        ({"avx512_bf16": False, "amx_bf16": False, "avx512_vnni": True, "cpu_name": "Xeon"}, 1.5, "fp32"),
    ],
)
def test_cpu_uses_bf16_only_if_supported_and_faster(
    monkeypatch: pytest.MonkeyPatch, capabilities: Mapping[str, object], speedup: float, precision: str
) -> None:
    monkeypatch.setattr(hardware, "bf16_speedup", lambda: speedup)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    detected = detect()
    assert (detected.device, detected.name, detected.precision) == ("cpu", "Xeon", precision)


def test_bf16_timing_restores_thread_count_and_rng_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_BATCH", (1, 4))  # a processor without bf16 takes a second per full batch
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    bf16_speedup.cache_clear()
    assert bf16_speedup() > 0
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_torch_without_cpu_capabilities_trains_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert detect().precision == "fp32"


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16"), (False, "fp16")])
def test_gpu_uses_native_bf16_or_else_fp16(monkeypatch: pytest.MonkeyPatch, native: bool, precision: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: native)
    assert (detect().device, detect().precision) == ("cuda", precision)
