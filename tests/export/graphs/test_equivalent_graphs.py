"""Graph rewrites keep the logits: last layer narrowed to first tokens, attention biases moved."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification

from export.errors import ExportError
from export.graphs.biases import add_query_biases_first, split_bias_gelu, without_key_and_value_biases
from export.graphs.conversion import count_operators, export_fp32, fuse_for_cpu
from export.graphs.first_token import keep_first_token

pytestmark = [
    pytest.mark.slow,
    # raised inside torch's exporter while it traces transformers
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*legacy.*:UserWarning"),
]
IDS = np.array([[2, 9, 12, 30, 3], [2, 11, 3, 0, 0]])
MASK = (IDS > 0).astype(np.int64)


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path) -> torch.nn.Module:
    loaded: torch.nn.Module = AutoModelForSequenceClassification.from_pretrained(tiny_checkpoint).eval()
    return loaded


@pytest.fixture(scope="module")
def fused(model: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fused graph of the checkpoint without key and value biases."""
    folder = tmp_path_factory.mktemp("fused")
    without_key_and_value_biases(model).save_pretrained(folder / "moved")
    exported = export_fp32(folder / "moved", folder / "exported")
    return fuse_for_cpu(exported.parent, folder / "fused", layers=3)


def _pytorch_logits(model: torch.nn.Module) -> NDArray[np.float32]:
    with torch.inference_mode():
        logits = model(input_ids=torch.from_numpy(IDS), attention_mask=torch.from_numpy(MASK)).logits
    result: NDArray[np.float32] = logits.numpy()
    return result


def _onnxruntime_logits(graph: onnx.ModelProto) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    [logits] = session.run(None, {"input_ids": IDS, "attention_mask": MASK})
    result: NDArray[np.float32] = logits
    return result


def test_removing_key_and_value_biases_keeps_logits(model: torch.nn.Module) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("k_lin.bias", "v_lin.bias")):
                parameter.normal_()  # an untrained checkpoint has biases of 0
    moved = without_key_and_value_biases(model)
    assert not any(p.any() for name, p in moved.named_parameters() if name.endswith(("k_lin.bias", "v_lin.bias")))
    assert np.abs(_pytorch_logits(moved) - _pytorch_logits(model)).max() < 1e-5


def test_rewritten_graph_has_same_logits_as_pytorch(model: torch.nn.Module, fused: Path, tmp_path: Path) -> None:
    graph = onnx.load(fused)
    keep_first_token(graph)
    add_query_biases_first(graph)
    split_bias_gelu(graph)
    onnx.save(graph, tmp_path / "model.onnx")
    operators = count_operators(tmp_path / "model.onnx")
    assert (operators["Gelu"], operators.get("BiasGelu", 0)) == (3, 0)
    assert all(
        len(node.input) < 4 or not node.input[3] for node in graph.graph.node if node.op_type == "MultiHeadAttention"
    )
    assert np.abs(_onnxruntime_logits(graph) - _pytorch_logits(model)).max() < 1e-5


def test_last_layer_keeps_all_tokens_only_for_keys_and_values(fused: Path) -> None:
    graph = onnx.load(fused)
    keep_first_token(graph)
    last = [node for node in graph.graph.node if node.op_type == "MultiHeadAttention"][-1]
    observed = ["/distilbert/transformer/layer.2/sa_layer_norm/LayerNormalization_output_0", *last.input[1:3]]
    graph.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in observed)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    _, narrow, *wide = session.run(None, {"input_ids": IDS, "attention_mask": MASK})
    assert narrow.shape[:2] == (2, 2)  # two tokens of two messages
    assert {array.shape[:2] for array in wide} == {(2, 5)}


def test_graphs_with_unexpected_form_are_refused(fused: Path) -> None:
    graph = onnx.load(fused)
    with_biases = onnx.load(fused)
    for tensor in with_biases.graph.initializer:
        if tensor.name.endswith("qkv_bias"):
            ones = np.ones(onnx.numpy_helper.to_array(tensor).shape, dtype=np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(ones, tensor.name))
    with pytest.raises(ExportError, match="with key or value biases"):
        add_query_biases_first(with_biases)
    for node in graph.graph.node:
        if node.op_type == "MultiHeadAttention":
            node.op_type = "Attention"
    with pytest.raises(ExportError, match="no MultiHeadAttention"):
        keep_first_token(graph)
