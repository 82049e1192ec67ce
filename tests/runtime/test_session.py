"""Choice of variant and device, and session options. Sessions on CUDA are in test_cuda.py."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from spam_edge import ProviderUnavailableError, RuntimeOptions, SpamClassifier
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import Variant
from spam_edge.errors import OptionError
from spam_edge.runtime import providers, session
from spam_edge.runtime.batching import FUSED_TOKEN_BUDGET, TOKEN_BUDGET
from spam_edge.runtime.processor import Processor
from spam_edge.runtime.providers import CPU, CUDA
from spam_edge.runtime.session import choose_variant

VARIANTS = {
    "fused": Variant("fused.onnx", (CPU,), 1, fused=True, weights="int8.onnx"),
    "int8": Variant("int8.onnx", (CPU,), 1),
    "fp16": Variant("fp16.onnx", (CUDA, CPU), 1),
    "fp32": Variant("fp32.onnx", (CPU, CUDA), 1),
}


@pytest.mark.parametrize(
    "options",
    [
        {"device": "gpu"},
        {"variant": "int4"},
        {"threads": 0},
        {"token_budget": 0},
        {"threshold": 1.1},
        {"threshold": float("nan")},
        {"threshold": "0.9"},
        {"max_fpr": -0.1},
        {"max_fpr": [0.1]},
        {"threads": 1.5},
        {"threads": True},
        {"verify": "no"},
        {"exact": 1},
        {"mode": 5},
        {"token_budget": "64"},
        {"digest": b"0" * 64},
    ],
)
def test_invalid_runtime_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        RuntimeOptions(**options)


@pytest.mark.parametrize(
    ("provider", "wanted", "names", "chosen"),
    [
        (CPU, "auto", "int8 fp16 fp32", "int8"),
        pytest.param(CPU, "auto", "fused int8 fp16 fp32", "fused", marks=pytest.mark.fused),
        (CPU, "int8", "fused int8 fp16 fp32", "int8"),
        (CUDA, "auto", "int8 fp16 fp32", "fp16"),
        (CUDA, "auto", "fused int8 fp16 fp32", "fp16"),
        (CUDA, "auto", "int8 fp32", "fp32"),
        (CPU, "auto", "fp16 fp32", "fp32"),
        (CPU, "fp16", "int8 fp16 fp32", "fp16"),
        (CUDA, "fp32", "int8 fp16 fp32", "fp32"),
    ],
)
def test_variant_is_chosen_for_execution_provider(provider: str, wanted: str, names: str, chosen: str) -> None:
    variants = {name: VARIANTS[name] for name in names.split()}
    assert choose_variant(variants, provider, wanted) == chosen


@pytest.mark.parametrize("machine", ["x86-64", "aarch64", "arm64"])
def test_auto_variant_refuses_fp16_on_arm_cpu(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    monkeypatch.setattr(session, "this_processor", lambda: Processor(machine, vnni=False))
    assert choose_variant({name: VARIANTS[name] for name in ("fp16", "fp32")}, CPU, "auto") == "fp32"
    alone = {"fp16": VARIANTS["fp16"]}
    assert choose_variant(alone, CPU, "fp16") == "fp16"
    assert choose_variant(alone, CUDA, "auto") == "fp16"
    if machine == "x86-64":
        assert choose_variant(alone, CPU, "auto") == "fp16"
    else:
        with pytest.raises(ProviderUnavailableError, match="this bundle has no file for the CPU; it has fp16"):
            choose_variant(alone, CPU, "auto")


@pytest.mark.parametrize("variant", ["fused", "int8"])
def test_int8_variants_are_refused_on_cuda(variant: str) -> None:
    with pytest.raises(ProviderUnavailableError, match=f"{variant} file does not support CUDA"):
        choose_variant(VARIANTS, CUDA, variant)
    with pytest.raises(ProviderUnavailableError, match="no file for CUDA"):
        choose_variant({variant: VARIANTS[variant]}, CUDA, "auto")


def test_missing_variant_error_lists_available_variants() -> None:
    with pytest.raises(ProviderUnavailableError, match="no fp16 file; it has int8"):
        choose_variant({"int8": VARIANTS["int8"]}, CPU, "fp16")


@pytest.mark.parametrize("variant", [pytest.param("fused", marks=pytest.mark.fused), "int8", "fp16", "fp32"])
def test_every_variant_classifies_on_cpu(tiny_bundle: Path, variant: str) -> None:
    classifier = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu", variant=variant))
    assert (classifier.variant, classifier.provider) == (variant, CPU)
    assert classifier.classify("WINNER!! Call 09061701461 to claim your prize").label == "SPAM"


@pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="this is the GPU build of onnxruntime")
def test_cuda_with_cpu_build_names_install_command(tiny_bundle: Path) -> None:
    with pytest.raises(ProviderUnavailableError, match=r"pip install 'spam-edge\[gpu\]'"):
        SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cuda"))
    assert SpamClassifier.load(tiny_bundle).provider == CPU


def test_conflicting_onnxruntime_wheels_name_uninstall_command(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(providers._installed_engines()) == 1
    for name in ("onnxruntime-1.32.0.dist-info", "onnxruntime_gpu-1.31.1.dist-info", "onnxruntime_genai-1.dist-info"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(onnxruntime, "__file__", str(tmp_path / "onnxruntime" / "__init__.py"))
    with pytest.raises(ProviderUnavailableError, match="pip uninstall onnxruntime onnxruntime-gpu"):
        SpamClassifier.load(tiny_bundle)
    assert SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu")).provider == CPU


def test_missing_onnxruntime_error_names_install_command(tiny_bundle: Path) -> None:
    code = (
        "import sys; sys.modules['onnxruntime'] = None; from spam_edge import SpamClassifier, SpamEdgeError\n"
        "try: SpamClassifier.load(sys.argv[1])\n"
        "except SpamEdgeError as error: print(type(error).__name__, error)"
    )
    completed = subprocess.run([sys.executable, "-c", code, tiny_bundle], capture_output=True, text=True, check=True)
    assert completed.stdout.startswith("ProviderUnavailableError onnxruntime cannot be imported")
    assert "pip install 'spam-edge[cpu]', or 'spam-edge[gpu]'" in completed.stdout


def test_telemetry_is_disabled_before_onnxruntime_import(tiny_bundle: Path) -> None:
    code = (
        "import builtins, os, sys\n"
        "real = builtins.__import__\n"
        "def spy(name, *rest):\n"
        "    if name == 'onnxruntime' and name not in sys.modules: print(os.environ['ORT_DISABLE_TELEMETRY'])\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = spy\n"
        "from spam_edge import SpamClassifier; SpamClassifier.load(sys.argv[1])"
    )
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": "0"}
    command = [sys.executable, "-c", code, tiny_bundle]
    completed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert completed.stdout == "1\n"


def test_thread_count_follows_option(tiny_bundle: Path) -> None:
    assert SpamClassifier.load(tiny_bundle, RuntimeOptions(threads=3)).threads == 3


def test_token_budget_follows_variant_or_option(tiny_bundle: Path, int8_variant: str) -> None:
    bundle = Bundle.find(tiny_bundle)
    options = RuntimeOptions(device="cpu", variant=int8_variant)
    suits = {"fused": FUSED_TOKEN_BUDGET, "int8": TOKEN_BUDGET}[int8_variant]
    assert session.open_session(bundle, options).token_budget == suits
    assert session.open_session(bundle, replace(options, token_budget=64)).token_budget == 64
