"""The fp16 graph without padding: its structure, its arithmetic in numpy, and the session that runs it.

onnxruntime has no CPU kernels for this graph, so numpy computes its operators as onnxruntime's documentation specifies.
"""

import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from export.errors import ExportError
from export.graphs.conversion import convert_to_fp16, count_operators
from export.graphs.first_token import continue_with_first_token
from export.graphs.packing import write_packed
from export.parity.by_definition import evaluator_of, packed_logits
from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.runtime.batching import pad_rows
from spam_edge.runtime.providers import CPU, CUDA
from tests.support.cuda import NEEDS_CUDA, pretend_cuda, use_padding

FP16_FILE, PACKED_FILE = "onnx/model_fp16.onnx", "onnx/model_fp16_packed.onnx"


@pytest.fixture
def packed(bundle_copy: Path) -> Path:
    """The packed file of the tiny bundle, beside its fp16 file."""
    write_packed(bundle_copy / FP16_FILE, bundle_copy / PACKED_FILE, layers=3)
    return bundle_copy / PACKED_FILE


def test_packed_graph_has_packed_attention_and_inputs(packed: Path) -> None:
    model = onnx.load(packed)
    onnx.checker.check_model(model)  # checks the order of the nodes, among other things
    counts = Counter(node.op_type for node in model.graph.node)
    before = Counter(node.op_type for node in onnx.load(packed.with_name("model_fp16.onnx")).graph.node)
    kept = ("MatMul", "BiasGelu", "SkipLayerNormalization", "LayerNormalization", "Gemm")
    assert {kind: before[kind] for kind in kept} == {kind: counts[kind] for kind in kept}
    assert (before["Attention"], counts["Attention"], counts["PackedAttention"]) == (3, 0, 3)
    assert {entry.domain for entry in model.opset_import} == {"", "com.microsoft"}
    assert not any("Padding" in node.op_type or "mask" in name for node in model.graph.node for name in node.input)
    assert [value.name for value in model.graph.input] == ["tokens", "positions", "offsets", "ends"]


def test_packed_graph_shares_weights_with_fp16_file(packed: Path) -> None:
    model = onnx.load(packed, load_external_data=False)
    places = [{entry.key: entry.value for entry in t.external_data} for t in model.graph.initializer]
    assert {place["location"] for place in places if place} == {"model_fp16.onnx"}
    assert packed.stat().st_size < packed.with_name("model_fp16.onnx").stat().st_size / 4
    weights, fp16_weights = (
        {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
        for path in (packed, packed.with_name("model_fp16.onnx"))
    )
    assert weights.keys() - fp16_weights.keys() == {"message_starts_from", "message_starts_to"}
    assert fp16_weights.keys() - weights.keys() == {"ort_const_1_reduce_sum_axes"}  # only used to sum the mask
    for name in fp16_weights.keys() & weights.keys():
        np.testing.assert_array_equal(weights[name], fp16_weights[name])


def test_packed_graph_evaluated_in_numpy_matches_pytorch_logits(tiny_bundle: Path) -> None:
    golden = Golden.read(Bundle.find(tiny_bundle))
    # For a text with several variants, the token ids are those of the first and the logits those of the highest score.
    rows = [row for row, text in enumerate(golden.texts) if text != "F R E E  M O N E Y"]
    ids = [golden.token_ids[row] for row in rows]
    assert len(set(map(len, ids))) > 1  # different lengths, so that a batch would be padded
    logits = packed_logits(tiny_bundle / PACKED_FILE, ids, pad_token_id=0)
    assert np.abs(logits - golden.logits[rows]).max() < 1e-2


def test_runtime_uses_packed_file_on_cuda(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_packing_refuses_graph_with_unexpected_form(bundle_copy: Path) -> None:
    with pytest.raises(ExportError, match="the fp16 graph has an unexpected form"):
        write_packed(bundle_copy / "onnx" / "model.onnx", bundle_copy / PACKED_FILE, layers=3)


def test_operators_after_last_attention_compute_only_first_token(tiny_bundle: Path) -> None:
    model = onnx.load(tiny_bundle / FP16_FILE)
    for name in ("MatMul", "SkipLayerNormalization", "BiasGelu"):
        last = [node for node in model.graph.node if node.op_type == name][-1]
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(last.output[0]))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=[CPU])
    ids, mask = pad_rows([[2, 9, 12, 30, 3], [2, 11, 3]], pad_token_id=0)
    shapes = [array.shape for array in session.run(None, {"input_ids": ids, "attention_mask": mask})]
    assert {(len(shape), shape[0]) for shape in shapes} == {(2, 2)}  # two messages, not two times five tokens


def test_narrowing_refuses_layer_with_unexpected_form(tiny_bundle: Path) -> None:
    narrowed = onnx.load(tiny_bundle / FP16_FILE)
    with pytest.raises(ExportError, match="the last layer has an unexpected form"):
        continue_with_first_token(narrowed)  # already narrowed
    with pytest.raises(ExportError, match="no fused layer"):
        continue_with_first_token(onnx.load(tiny_bundle / "onnx" / "model.onnx"))


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fp16_conversion_has_same_operators_with_and_without_cuda(tiny_bundle: Path, tmp_path: Path) -> None:
    """onnxruntime must not apply CUDA optimisations before the fusion, even on a machine with CUDA."""
    for name in ("onnx/model.onnx", "config.json"):
        shutil.copy(tiny_bundle / name, tmp_path)
    converted = convert_to_fp16(tmp_path, tmp_path / "fp16", layers=3)
    assert count_operators(converted) == count_operators(tiny_bundle / FP16_FILE)


@pytest.mark.gpu
@NEEDS_CUDA
def test_packed_and_padded_logits_agree_on_cuda_device(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = RuntimeOptions(device="cuda", variant="fp16")
    golden = Golden.read(Bundle.find(tiny_bundle))
    packed = SpamClassifier.load(tiny_bundle, options)
    use_padding(monkeypatch)
    padded = SpamClassifier.load(tiny_bundle, options)
    assert (packed.file, padded.file) == (PACKED_FILE, FP16_FILE)
    assert np.abs(packed.logits(golden.texts) - padded.logits(golden.texts)).max() < 1e-2
