"""Sessions on CUDA: real ones in tests marked ``gpu``, simulated ones in the others."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from spam_edge import InputError, ProviderUnavailableError, RuntimeOptions, SpamClassifier, SpamEdgeError
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.diagnostics.verify import verify_bundle
from spam_edge.runtime import providers, session
from spam_edge.runtime.batching import TOKEN_BUDGET
from spam_edge.runtime.engine import is_out_of_memory
from spam_edge.runtime.providers import CPU, CUDA
from spam_edge.runtime.session import open_session
from tests.gpu.placement import operators_by_provider
from tests.support.cuda import NEEDS_CUDA, on_the_cpu, pretend_cuda

CUDA_OPTIONS = RuntimeOptions(device="cuda")
ARENA_ERROR = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Attention node. "
    "Name:'Attention_0' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 void* "
    "onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for "
    "requested buffer of size 805306368\n\nstack trace"
)
ARITHMETIC_OPERATORS = {
    "Attention",
    "MatMul",
    "Gemm",
    "LayerNormalization",
    "SkipLayerNormalization",
    "BiasGelu",
    "Softmax",
}
"""Operators of the model's arithmetic. Operators that compute shapes run on the CPU."""


def _session_that_drops_cuda(path: str, *, providers: list[str], **options: Any) -> Any:
    # onnxruntime falls back to the CPU with a log line if a provider fails to load.
    return onnxruntime.InferenceSession(path, options["sess_options"], providers=[CPU])


def test_session_that_fell_back_to_cpu_is_refused(
    tiny_bundle: Path, default_variant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_cuda(monkeypatch, _session_that_drops_cuda)
    with pytest.raises(
        ProviderUnavailableError, match=r"does not load \(Failed to load libcublas\.so\.13\); pip install"
    ):
        open_session(Bundle.find(tiny_bundle), CUDA_OPTIONS)
    assert capsys.readouterr() == ("", "")  # standard output is for data
    opened = open_session(Bundle.find(tiny_bundle), RuntimeOptions(device="auto"))
    assert (opened.provider, opened.variant) == (CPU, default_variant)


def test_cuda_provider_error_is_reported_with_reason(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("CUDA failure 35: driver too old\nmore lines")

    pretend_cuda(monkeypatch, fail)
    with pytest.raises(ProviderUnavailableError, match=r"\(CUDA failure 35: driver too old\); pip install"):
        open_session(Bundle.find(tiny_bundle), CUDA_OPTIONS)


def test_cuda_device_that_cannot_run_model_is_refused(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any) -> Any:
        raise RuntimeError("no kernel image is available for execution on the device")

    pretend_cuda(monkeypatch, lambda *_, **__: SimpleNamespace(get_providers=lambda: [CUDA, CPU], run=run))
    with pytest.raises(ProviderUnavailableError, match=r"does not run on it \(no kernel image is available"):
        open_session(Bundle.find(tiny_bundle), CUDA_OPTIONS)


def test_missing_nvidia_driver_is_reported(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda(monkeypatch, _session_that_drops_cuda)
    monkeypatch.setattr(providers, "_has_nvidia_driver", lambda: False)
    with pytest.raises(ProviderUnavailableError, match="no NVIDIA driver was found"):
        open_session(Bundle.find(tiny_bundle), CUDA_OPTIONS)
    assert open_session(Bundle.find(tiny_bundle), RuntimeOptions()).provider == CPU


def test_cuda_session_gets_provider_options_and_larger_budget(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mocked: the options passed to onnxruntime need no CUDA device."""
    requested: list[Any] = []

    def create(_: str, *, providers: Any, enable_fallback: int, **__: Any) -> Any:
        requested.append((providers, enable_fallback))
        return SimpleNamespace(get_providers=lambda: [CUDA, CPU], run=lambda *_: [np.zeros((1, 2), np.float32)])

    pretend_cuda(monkeypatch, create)
    opened = open_session(Bundle.find(tiny_bundle), CUDA_OPTIONS)
    assert requested == [([(CUDA, {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"})], 0)]
    assert opened.token_budget > TOKEN_BUDGET


@pytest.mark.parametrize(
    "text",
    [
        ARENA_ERROR,
        "bfc_arena.cc:359 Available memory of 1048576 is smaller than requested bytes of 16777216",
        "CUDA failure 2: out of memory ; GPU=0 ; file=cuda_allocator.cc ; expr=cudaMalloc((void**)&p, size);",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0",
    ],
)
def test_out_of_memory_is_distinguished_from_other_errors(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError("CUDA failure 700: an illegal memory access was encountered"))


@pytest.mark.parametrize("exact", [False, True])
def test_out_of_memory_batch_is_halved_until_it_fits(
    banded_bundle: Path, monkeypatch: pytest.MonkeyPatch, exact: bool
) -> None:
    """Mocked: the sessions run on the CPU, and raise the error of onnxruntime's CUDA arena for large batches."""
    refused: list[int] = []

    def limit_memory(feed: Any) -> None:
        if feed["input_ids"].size > 100:
            refused.append(feed["input_ids"].size)
            raise RuntimeError(ARENA_ERROR)

    bundle = Bundle.find(banded_bundle)
    texts = Golden.read(bundle).texts
    options = RuntimeOptions(device="cpu", variant="fp16", token_budget=4096, exact=exact)
    expected = SpamClassifier(bundle, options).score(texts)
    pretend_cuda(monkeypatch, on_the_cpu(limit_memory))
    classifier = SpamClassifier(bundle, replace(options, device="cuda"))
    assert classifier.score(texts) == pytest.approx(expected, abs=1e-6)
    assert refused
    assert 50 <= classifier._session.token_budget <= 100  # halved no further than needed
    refused.clear()
    assert classifier.score(texts) == pytest.approx(expected, abs=1e-6)
    assert refused == []


def test_large_calls_run_in_pieces_with_equal_results(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mocked: the sessions run on the CPU."""
    pretend_cuda(monkeypatch, on_the_cpu())
    texts = Golden.read(Bundle.find(tiny_bundle)).texts
    expected = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu", variant="fp16")).classify_batch(texts)
    classifier = SpamClassifier.load(tiny_bundle, CUDA_OPTIONS)
    whole = classifier.logits(texts)
    monkeypatch.setattr("spam_edge.classifier._PIECE", 16)
    assert np.array_equal(classifier.logits(texts), whole)
    for predictions in (classifier.classify_batch(texts), list(classifier.classify_stream(texts, window=9))):
        assert [prediction.label for prediction in predictions] == [each.label for each in expected]
        assert [prediction.score for prediction in predictions] == pytest.approx(
            [each.score for each in expected], abs=1e-6
        )
    with pytest.raises(InputError, match="message 70 is int, not str"):
        classifier.classify_batch([*texts, 7])  # type: ignore[list-item]


def test_out_of_memory_for_single_message_is_one_line_error(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mocked: the GPU memory holds the two tokens of the session's trial run, but no message."""

    def limit_memory(feed: Any) -> None:
        if feed["input_ids"].size > 2:
            raise RuntimeError(ARENA_ERROR)

    pretend_cuda(monkeypatch, on_the_cpu(limit_memory))
    classifier = SpamClassifier.load(tiny_bundle, CUDA_OPTIONS)
    with pytest.raises(SpamEdgeError) as caught:
        classifier.classify_batch(["see you at 5 then", "thanks for the lift"])
    line = str(caught.value)
    assert line.startswith("the memory of the GPU does not hold onnx/model_fp16.onnx and one message of ")
    assert line.endswith("requested buffer of size 805306368); end other programs on the GPU, or use the CPU")


def test_out_of_memory_on_cpu_raises_error(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_session(Bundle.find(tiny_bundle), RuntimeOptions(device="cpu", variant="int8"))

    def run(*_: Any) -> Any:
        raise RuntimeError(ARENA_ERROR)

    monkeypatch.setattr(opened, "_session", SimpleNamespace(run=run))
    ids = np.ones((4, 4), dtype=np.int64)
    with pytest.raises(SpamEdgeError, match="use a smaller token budget or another variant"):
        opened.run(ids, ids)


@pytest.mark.gpu
@NEEDS_CUDA
@pytest.mark.parametrize("variant", ["fp16", "fp32"])
def test_golden_logits_match_pytorch_on_cuda_device(tiny_bundle: Path, variant: str) -> None:
    """Golden messages carry the token ids and logits of PyTorch."""
    options = replace(CUDA_OPTIONS, variant=variant)
    classifier = SpamClassifier.load(tiny_bundle, options)
    assert (classifier.variant, classifier.provider) == (variant, CUDA)
    golden = Golden.read(Bundle.find(tiny_bundle))
    limit = 2e-2 if variant == "fp16" else 1e-3
    assert abs(classifier.logits(golden.texts) - golden.logits).max() <= limit
    assert verify_bundle(tiny_bundle, options).ok


@pytest.mark.gpu
@NEEDS_CUDA
def test_auto_device_selects_cuda_and_fp16(tiny_bundle: Path) -> None:
    classifier = SpamClassifier.load(tiny_bundle)
    assert (classifier.variant, classifier.provider) == ("fp16", CUDA)


@pytest.mark.gpu
@NEEDS_CUDA
@pytest.mark.parametrize("variant", ["fp16", "fp32"])
def test_cuda_device_runs_all_arithmetic_operators(tiny_bundle: Path, variant: str) -> None:
    placed = operators_by_provider(tiny_bundle, RuntimeOptions(device="cuda", variant=variant))
    assert set(placed) <= {CUDA, CPU}
    assert not ARITHMETIC_OPERATORS & set(placed.get(CPU, {}))
    assert {"MatMul", "LayerNormalization"} <= set(placed[CUDA])


@pytest.mark.gpu
@NEEDS_CUDA
def test_cuda_device_out_of_memory_reduces_token_budget(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = {**providers._PROVIDER_OPTIONS[CUDA], "gpu_mem_limit": str(64 * 2**20)}
    monkeypatch.setattr(providers, "_PROVIDER_OPTIONS", {**providers._PROVIDER_OPTIONS, CUDA: limited})
    opened = session.open_session(Bundle.find(tiny_bundle), CUDA_OPTIONS)
    opened.token_budget = before = 2**21
    ids = np.tile(np.arange(5, 37, dtype=np.int64), (before // 32, 1))
    logits = opened.run(ids, np.ones_like(ids))
    assert opened.token_budget < before
    assert np.abs(logits - opened.run(ids[:1], np.ones_like(ids[:1]))).max() < 2e-2


@pytest.mark.gpu
@NEEDS_CUDA
def test_exact_mode_on_cuda_device_gives_fp32_labels(banded_bundle: Path) -> None:
    """Messages within the error band are rescored in fp32, so every label is that of fp32."""
    bundle = Bundle.find(banded_bundle)
    golden = Golden.read(bundle)
    classifier = SpamClassifier(bundle, replace(CUDA_OPTIONS, exact=True))
    fp32 = SpamClassifier(bundle, RuntimeOptions(device="cpu", variant="fp32"))
    labels = [prediction.label for prediction in classifier.classify_batch(golden.texts)]
    assert labels == [prediction.label for prediction in fp32.classify_batch(golden.texts)]
    assert classifier.rescored > 0
