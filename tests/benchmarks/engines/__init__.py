"""Engines by name. An engine's library is imported only when the engine is used."""

from importlib import import_module
from importlib.util import find_spec

from tests.benchmarks.engines.base import Engine

OURS, REFERENCE, SEED, PIPELINE = "ours", "pytorch-fp32", "seed", "pipeline"
ENGINES = {
    OURS: "ours:Ours",
    "ours-int8": "ours:OursInt8",
    SEED: "pytorch:Seed",
    REFERENCE: "pytorch:PyTorchFp32",
    "pytorch-bf16": "pytorch:PyTorchBf16",
    PIPELINE: "pytorch:Pipeline",
    "optimum-fp32": "optimum:OptimumFp32",
    "optimum-int8": "optimum:OptimumInt8",
    "ctranslate2-int8": "ctranslate2:CTranslate2",
    "openvino-fp32": "openvino:OpenVinoFp32",
    "openvino-bf16": "openvino:OpenVinoBf16",
    "openvino-int8": "openvino:OpenVinoInt8",
}


def engine_class(name: str) -> type[Engine]:
    """Return the class of an engine without importing its library."""
    module, _, attribute = ENGINES[name].partition(":")
    engine: type[Engine] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return engine


def missing_modules(name: str) -> list[str]:
    """Return the modules an engine needs that are not installed."""
    return [module for module in engine_class(name).modules if find_spec(module) is None]
