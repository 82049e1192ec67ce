"""Made-up results of ``python -m tests.gpu``."""

from typing import Any

from tests.gpu.parts import FAILED, OK


def _part(**figures: Any) -> dict[str, Any]:
    return {"status": OK, "reason": "", "seconds": 9.0, "figures": figures}


DIFFERENCE = {"n": 70, "max_abs_dlogit": 0.0031, "max_abs_dp": 0.0007, "mean_abs_dp": 0.00001, "flips": 1}


def results(*, cuda: bool = True) -> dict[str, Any]:
    """Return the results of a run that did not take place."""
    machine = {"versions": {"torch": "2.13.0", "transformers": "4.57.6", "onnxruntime": "of another environment"}}
    ours = {
        "title": "spam-edge",
        "without_tokenising": {"sorted 16384": 200_000.0, "own order 16384": 90_000.0},
        "with_tokenising": {"sorted 16384": 30_000.0},
        "operations_per_message": 1e9,
        "one_message_ms": {"p50": 1.26},
        "cold_start_s": 2.04,
        "peak_memory_mib": 900.2,
        "gpu_memory_mib": 511.0,
        "max_abs_dp": 0.0007,
        "flips": 0,
    }
    pipeline = {
        name: value for name, value in ours.items() if name not in ("without_tokenising", "operations_per_message")
    }
    pipeline |= {"title": "transformers pipeline", "with_tokenising": {"batch size 128": 20_000.0}}
    hardware = {"device": "cuda" if cuda else "cpu", "name": "NVIDIA Made Up", "precision": "bf16"}
    sets = {"golden": DIFFERENCE, "test": DIFFERENCE | {"n": 930}}
    sets["mine"] = DIFFERENCE | {"n": 25, "mean_abs_dp": 0.00013, "flips": 1}
    sets["yours"] = DIFFERENCE | {"n": 75, "max_abs_dlogit": 0.005, "flips": 3}
    return {
        "parts": {
            "device": _part(
                cuda=cuda, date="2026-01-02", onnxruntime="1.31.1", gpu={"name": "NVIDIA Made Up"}, machine=machine,
                peaks={"float16": {"operations_per_s": 8e14}},
            ),
            "train": _part(hardware=hardware, seconds=61.2, messages_per_s=1234.5),
            "bundle base": _part(fp16_sha256="0" * 64),
            "inference base": _part(variants={"fp16": {"sets": sets}}),
            "speed base ours": _part(**ours),
            "speed base pipeline": _part(**pipeline),
            "speed base torch-fp16": _part(title="PyTorch fp16") | {"status": FAILED, "reason": "out of luck"},
        }
    }  # fmt: skip
