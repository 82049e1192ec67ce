"""The fp16 graph without padding: its structure, its arithmetic in numpy, and the session that runs it.

onnxruntime has no kernels for it on the CPU. Its operators are computed as onnxruntime's documents of them specify.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

from export.errors import ExportError
from export.graphs.packing import write_packed
from export.parity.by_definition import evaluator_of, packed_logits
from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.runtime import session
from spam_edge.runtime.providers import CPU, CUDA
from tests.support.cuda import NEEDS_CUDA, pretend_cuda

FP16_FILE, PACKED_FILE = "onnx/model_fp16.onnx", "onnx/model_fp16_packed.onnx"


@pytest.fixture
def packed(bundle_copy: Path) -> Path:
    """The packed file of the tiny bundle, beside its fp16 file."""
    write_packed(bundle_copy / FP16_FILE, bundle_copy / PACKED_FILE, layers=3)
    return bundle_copy / PACKED_FILE


def test_every_attention_is_packed_and_takes_packed_inputs(packed: Path) -> None:
    model = onnx.load(packed)
    onnx.checker.check_model(model)  # the nodes are in order, among others
    counts = Counter(node.op_type for node in model.graph.node)
    before = Counter(node.op_type for node in onnx.load(packed.with_name("model_fp16.onnx")).graph.node)
    kinds = (
        "Attention",
        "PackedAttention",
        "MatMul",
        "BiasGelu",
        "SkipLayerNormalization",
        "LayerNormalization",
        "Gemm",
    )
    assert {kind: before[kind] for kind in kinds[2:]} == {kind: counts[kind] for kind in kinds[2:]}
    assert (before["Attention"], counts["Attention"], counts["PackedAttention"]) == (3, 0, 3)
    assert {entry.domain for entry in model.opset_import} == {"", "com.microsoft"}
    assert not any("Padding" in node.op_type or "mask" in name for node in model.graph.node for name in node.input)
    assert [value.name for value in model.graph.input] == ["tokens", "positions", "offsets", "ends"]


def test_the_weights_are_those_of_the_fp16_file(packed: Path) -> None:
    model = onnx.load(packed, load_external_data=False)
    places = [{entry.key: entry.value for entry in t.external_data} for t in model.graph.initializer]
    assert {place["location"] for place in places if place} == {"model_fp16.onnx"}
    assert packed.stat().st_size < packed.with_name("model_fp16.onnx").stat().st_size / 4
    weights, twin = (
        {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
        for path in (packed, packed.with_name("model_fp16.onnx"))
    )
    assert weights.keys() - twin.keys() == {"message_starts_from", "message_starts_to"}
    assert twin.keys() - weights.keys() == {"ort_const_1_reduce_sum_axes"}  # sums up the mask
    for name in twin.keys() & weights.keys():
        np.testing.assert_array_equal(weights[name], twin[name])


def test_by_the_definitions_of_its_operators_it_has_the_logits_of_pytorch(tiny_bundle: Path) -> None:
    golden = Golden.read(Bundle.find(tiny_bundle))
    # The token ids are of the first text variant, and the logits of the one with the higher score.
    rows = [row for row, text in enumerate(golden.texts) if text != "F R E E  M O N E Y"]
    ids = [golden.token_ids[row] for row in rows]
    assert len(set(map(len, ids))) > 1  # there is padding to leave out
    logits = packed_logits(tiny_bundle / PACKED_FILE, ids, pad_token_id=0)
    assert np.abs(logits - golden.logits[rows]).max() < 1e-2


def test_on_cuda_the_runtime_opens_it_with_packed_inputs(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mocked: numpy computes the graph in place of CUDA."""
    graph = onnx.load(tiny_bundle / PACKED_FILE)

    def create(_: Any, *, sess_options: Any, **__: Any) -> Any:
        evaluator = evaluator_of(graph)
        return SimpleNamespace(get_providers=lambda: [CUDA, CPU], run=evaluator.run)

    pretend_cuda(monkeypatch, create, padded=False)
    golden = Golden.read(Bundle.find(tiny_bundle))
    classifier = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cuda", variant="fp16"))
    assert (classifier.variant, classifier.file, classifier.provider) == ("fp16", PACKED_FILE, CUDA)
    assert np.abs(classifier.logits(golden.texts) - golden.logits).max() < 2e-2


def test_a_graph_of_another_form_is_refused(bundle_copy: Path) -> None:
    with pytest.raises(ExportError, match="the fp16 graph has an unexpected form"):
        write_packed(bundle_copy / "onnx" / "model.onnx", bundle_copy / PACKED_FILE, layers=3)


@pytest.mark.gpu
@NEEDS_CUDA
def test_on_a_real_cuda_device_padding_makes_no_difference(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = RuntimeOptions(device="cuda", variant="fp16")
    golden = Golden.read(Bundle.find(tiny_bundle))
    packed = SpamClassifier.load(tiny_bundle, options)
    choose = session._choose_file
    with_padding = lambda file, provider: choose(replace(file, packed=None), provider)  # noqa: E731
    monkeypatch.setattr(session, "_choose_file", with_padding)
    padded = SpamClassifier.load(tiny_bundle, options)
    assert (packed.file, padded.file) == (PACKED_FILE, FP16_FILE)
    assert np.abs(packed.logits(golden.texts) - padded.logits(golden.texts)).max() < 1e-2
