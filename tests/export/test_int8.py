"""Rounded weights and token-wise activation scales, against arithmetic done with numpy."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from export.errors import ExportError
from export.per_token import use_token_scales
from export.rounding import MINIMUM_TEXTS, round_linear_layers, round_weights


def test_rounded_weights_are_on_the_grid_and_their_outputs_closer() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(2000, 10) @ torch.randn(10, 40) + 0.1 * torch.randn(2000, 40)  # correlated, as activations are
    weights = torch.randn(24, 40)
    rounded = round_weights(weights, inputs.T @ inputs)

    scale = weights.abs().amax(dim=1, keepdim=True) / 127
    steps = rounded / scale
    assert torch.allclose(steps, steps.round(), atol=1e-3)
    assert torch.allclose(rounded.abs().amax(dim=1), weights.abs().amax(dim=1))

    nearest = (weights / scale).round() * scale
    error, error_of_nearest = ((inputs @ (w - weights).T).square().mean() for w in (rounded, nearest))
    assert error < 0.5 * error_of_nearest


def test_weights_of_an_unused_layer_are_rounded_to_the_nearest() -> None:
    torch.manual_seed(0)
    weights = torch.randn(4, 8)
    scale = weights.abs().amax(dim=1, keepdim=True) / 127
    assert torch.allclose(round_weights(weights, torch.zeros(8, 8)), (weights / scale).round() * scale, atol=1e-6)


def test_a_row_of_zeros_stays_one() -> None:
    assert torch.equal(round_weights(torch.zeros(2, 8), torch.eye(8)), torch.zeros(2, 8))


def test_too_few_messages_to_calibrate_are_refused() -> None:
    with pytest.raises(ExportError, match=f"3 training messages are too few .* at least {MINIMUM_TEXTS}"):
        round_linear_layers(None, ["a", "b", "c"])  # type: ignore[arg-type]


@pytest.fixture
def quantized(tmp_path: object) -> tuple[onnx.ModelProto, np.ndarray]:
    """A product as onnxruntime's dynamic quantiser, which Optimum drives, writes it; and its weights."""
    weights = np.random.default_rng(0).normal(size=(32, 8)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="linear")],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "tokens", 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "tokens", 8])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    source, target = f"{tmp_path}/model.onnx", f"{tmp_path}/quantized.onnx"
    onnx.save(model, source)
    quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)
    return onnx.load(target), weights


def _run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [y] = session.run(None, {"x": x})
    result: np.ndarray = y
    return result


@pytest.mark.filterwarnings("ignore")  # the quantiser advises on preprocessing
def test_token_scales(quantized: tuple[onnx.ModelProto, np.ndarray]) -> None:
    model, weights = quantized
    random = np.random.default_rng(1)
    # tokens of very different size, and one of zeros
    x = (random.normal(size=(3, 5, 32)) * np.logspace(-2, 2, 15).reshape(3, 5, 1)).astype(np.float32)
    x[1, 1] = 0
    per_batch = _run(model, x)
    assert use_token_scales(model) == 1
    per_token = _run(model, x)

    activation_steps = np.abs(x).max(axis=-1, keepdims=True) / 127
    weight_steps = np.abs(weights).max(axis=0) / 127
    rounded_x = np.rint(x / np.maximum(activation_steps, 1e-12)) * activation_steps
    expected = rounded_x @ (np.rint(weights / weight_steps) * weight_steps)
    assert np.allclose(per_token, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())

    exact = x @ weights
    smallest = np.s_[0, 0]
    assert np.abs(per_token - exact)[smallest].max() < 0.05 * np.abs(exact[smallest]).max()
    assert np.abs(per_batch - exact)[smallest].max() > 0.5 * np.abs(exact[smallest]).max()
    for index in range(3):
        assert np.array_equal(_run(model, x[index : index + 1])[0], per_token[index])
