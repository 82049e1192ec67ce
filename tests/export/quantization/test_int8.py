"""Rounded weights, per-token activation scales and 16-bit activations, compared with numpy arithmetic."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from export.errors import ExportError
from export.graphs.without_vnni import write_without_vnni
from export.quantization.activations import Activations
from export.quantization.outliers import ChannelSplit
from export.quantization.per_token import use_token_scales
from export.quantization.recipe import Recipe
from export.quantization.rounding import RoundedLinear, round_linear_layers, round_to_nearest, round_weights
from spam_edge.runtime.processor import this_processor


def test_rounded_weights_are_on_grid_with_lower_output_error() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(2000, 10) @ torch.randn(10, 40) + 0.1 * torch.randn(2000, 40)  # correlated, like activations
    weights = torch.randn(24, 40)
    rounded = round_weights(weights, inputs.T @ inputs)

    scale = weights.abs().amax(dim=1, keepdim=True) / 127
    steps = rounded / scale
    assert torch.allclose(steps, steps.round(), atol=1e-3)
    assert torch.allclose(rounded.abs().amax(dim=1), weights.abs().amax(dim=1))

    nearest = (weights / scale).round() * scale
    error, error_of_nearest = ((inputs @ (w - weights).T).square().mean() for w in (rounded, nearest))
    assert error < 0.5 * error_of_nearest


def test_weights_of_unused_layer_are_rounded_to_nearest() -> None:
    torch.manual_seed(0)
    weights = torch.randn(4, 8)
    scale = weights.abs().amax(dim=1, keepdim=True) / 127
    assert torch.allclose(round_weights(weights, torch.zeros(8, 8)), (weights / scale).round() * scale, atol=1e-6)


def test_zero_weight_rows_stay_zero() -> None:
    assert torch.equal(round_weights(torch.zeros(2, 8), torch.eye(8)), torch.zeros(2, 8))


def _rounded(recipe: Recipe, *, dim: int, hidden_dim: int) -> dict[str, RoundedLinear]:
    """Round a two-layer model; the inputs of each layer grow with the channel index."""
    sizes = {"dim": dim, "hidden_dim": hidden_dim, "n_layers": 2, "n_heads": 2, "vocab_size": 20}
    model = DistilBertForSequenceClassification(DistilBertConfig(**sizes))
    layers = model.get_submodule("distilbert.transformer").named_modules()
    rng, activations = torch.Generator().manual_seed(0), {}
    for name, module in layers:
        if isinstance(module, torch.nn.Linear):
            activations[name] = Activations(module.in_features)
            growing = 1 + torch.arange(module.in_features) / 2
            activations[name].add(growing * torch.rand(300, module.in_features, generator=rng))
    return round_linear_layers(model, activations, recipe)


def _split_channels(layer: RoundedLinear) -> int:
    return sum(columns > 1 for columns in layer.split.columns)


def test_recipe_selects_fine_completed_and_split_layers() -> None:
    layers = _rounded(Recipe(outliers=8, fine_layers=1, completed_layers=1), dim=32, hidden_dim=64)
    into_attention = {f"layer.0.attention.{kind}_lin" for kind in "qkv"}
    assert {name for name, layer in layers.items() if layer.limit is not None} == into_attention
    assert {name for name, layer in layers.items() if len(layer.completed)} == {"layer.0.ffn.lin2"}
    for name, layer in layers.items():
        outliers = {"lin1": 8, "lin2": 15, "out_lin": 0}.get(name.rsplit(".")[-1], 8)
        # the largest channels, of which the smallest barely exceed the rest
        assert _split_channels(layer) == (0 if name in into_attention else outliers), name


def test_small_layers_split_fewer_channels() -> None:
    layers = _rounded(Recipe(fine_layers=0), dim=4, hidden_dim=6)
    split_counts = {name.rsplit(".")[-1]: _split_channels(layer) for name, layer in layers.items()}
    assert split_counts == {"q_lin": 3, "k_lin": 3, "v_lin": 3, "out_lin": 0, "lin1": 3, "lin2": 5}


LAYER = "layer.0.ffn.lin1"
CHANNELS, OUTPUTS = 32, 8


@pytest.fixture
def weights() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(CHANNELS, OUTPUTS)).astype(np.float32)


def _quantize(folder: object, weights: NDArray[np.float32], *, after_gelu: bool = False) -> onnx.ModelProto:
    """Write a linear layer with onnxruntime's dynamic quantiser, which Optimum calls."""
    bias = np.linspace(-1, 1, OUTPUTS, dtype=np.float32)
    before = [helper.make_node("Gelu", ["x"], ["gelu"], domain="com.microsoft")] if after_gelu else []
    activation = "gelu" if after_gelu else "x"
    graph = helper.make_graph(
        [
            *before,
            helper.make_node("MatMul", [activation, "w"], ["/layer.0/ffn/lin1/MatMul_output_0"], name="linear"),
            helper.make_node("Add", ["b", "/layer.0/ffn/lin1/MatMul_output_0"], ["y"], name="bias"),
        ],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "tokens", CHANNELS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "tokens", OUTPUTS])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    source, target = f"{folder}/model.onnx", f"{folder}/quantized.onnx"
    onnx.save(model, source)
    types = {"DefaultTensorType": TensorProto.FLOAT}  # the quantiser cannot infer types after Gelu
    quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8, extra_options=types)
    return onnx.load(target)


@pytest.fixture
def quantized(tmp_path: object, weights: NDArray[np.float32]) -> onnx.ModelProto:
    return _quantize(tmp_path, weights)


def _layer(
    *,
    columns: tuple[int, ...] = (1,) * CHANNELS,
    limit: float | None = None,
    completed: tuple[int, ...] = (),
    remainder: NDArray[np.float32] | None = None,
) -> RoundedLinear:
    lacking = np.zeros((CHANNELS, 0), dtype=np.float32) if remainder is None else remainder
    outputs = np.array(completed, dtype=np.int64)
    return RoundedLinear(torch.zeros(OUTPUTS, CHANNELS), ChannelSplit(columns), limit, outputs, lacking)


def _run(model: onnx.ModelProto, x: NDArray[np.float32]) -> NDArray[np.float32]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        if this_processor().saturates and any(node.op_type == "MatMulIntegerToFloat" for node in model.graph.node):
            path = write_without_vnni(path)
        [y] = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})
    result: NDArray[np.float32] = y
    return result - np.linspace(-1, 1, OUTPUTS, dtype=np.float32)


def _on_grid(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    return round_to_nearest(torch.from_numpy(weights.T.copy())).numpy().T


@pytest.mark.filterwarnings("ignore")  # the quantiser recommends preprocessing
def test_token_scales_match_numpy_and_are_batch_independent(
    quantized: onnx.ModelProto, weights: NDArray[np.float32]
) -> None:
    random = np.random.default_rng(1)
    # tokens of very different magnitude, and one of zeros
    x = (random.normal(size=(3, 5, CHANNELS)) * np.logspace(-2, 2, 15).reshape(3, 5, 1)).astype(np.float32)
    x[1, 1] = 0
    per_batch = _run(quantized, x)
    assert use_token_scales(quantized, {LAYER: _layer()}) == 1
    per_token = _run(quantized, x)

    steps = np.maximum(np.abs(x).max(axis=-1, keepdims=True) / 127, 1e-12)
    expected = np.rint(x / steps) * steps @ _on_grid(weights)
    assert np.allclose(per_token, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())

    exact = x @ weights
    smallest = np.s_[0, 0]
    assert np.abs(per_token - exact)[smallest].max() < 0.05 * np.abs(exact[smallest]).max()
    assert np.abs(per_batch - exact)[smallest].max() > 0.5 * np.abs(exact[smallest]).max()
    for index in range(3):
        assert np.array_equal(_run(quantized, x[index : index + 1])[0], per_token[index])


@pytest.mark.filterwarnings("ignore")
def test_split_outlier_channel_keeps_precision_of_other_channels(
    quantized: onnx.ModelProto, weights: NDArray[np.float32]
) -> None:
    x = np.random.default_rng(1).normal(size=(2, 50, CHANNELS)).astype(np.float32)
    x[..., 3] *= 6
    columns = tuple(9 if channel == 3 else 1 for channel in range(CHANNELS))
    use_token_scales(quantized, {LAYER: _layer(columns=columns)})
    actual = _run(quantized, x)

    shares = np.array(columns)
    steps = np.abs(x / shares).max(axis=-1, keepdims=True) / 127
    expected = np.rint(x / steps) * steps @ _on_grid(weights)  # the outlier is rounded to single steps, too
    beyond_127 = np.abs(actual - expected) > 1e-3
    assert beyond_127.mean() < 0.02
    coarse = np.abs(x).max(axis=-1, keepdims=True) / 127
    exact = x @ _on_grid(weights)
    error, error_without = (
        np.square(y - exact).mean() for y in (actual, np.rint(x / coarse) * coarse @ _on_grid(weights))
    )
    assert error < 0.2 * error_without


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("size", [0.01, 3.0], ids=["the smallest step", "a step of its own"])
def test_split_channels_after_gelu_are_rounded_to_single_steps(
    tmp_path: object, weights: NDArray[np.float32], size: float
) -> None:
    x = (size * np.random.default_rng(1).normal(size=(2, 50, CHANNELS))).astype(np.float32)
    x[..., [3, 8]] *= 6
    x[:, :7, [3, 8, 11]] = -0.75  # minimum of Gelu
    columns = tuple({3: 9, 8: 3}.get(channel, 1) for channel in range(CHANNELS))
    quantized = _quantize(tmp_path, weights, after_gelu=True)
    use_token_scales(quantized, {LAYER: _layer(columns=columns)})
    actual = _run(quantized, x)

    after = torch.nn.functional.gelu(torch.from_numpy(x)).numpy()
    steps = np.maximum((after / np.array(columns)).max(axis=-1, keepdims=True) / 223, 0.17 / 32)
    expected = np.rint(after / steps) * steps @ _on_grid(weights)
    # a value midway between two steps may be rounded to either
    apart = np.abs(actual - expected).max(axis=-1)
    assert np.quantile(apart, 0.97) < 1e-4 * np.abs(expected).max()
    assert (apart[..., None] <= 1.01 * steps * np.abs(weights).max()).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("limit", [4.0, 400.0])
def test_16_bit_activations_leave_only_weight_rounding_error(
    quantized: onnx.ModelProto, weights: NDArray[np.float32], limit: float
) -> None:
    x = np.random.default_rng(1).uniform(-4, 4, size=(3, 7, CHANNELS)).astype(np.float32)
    use_token_scales(quantized, {LAYER: _layer(limit=limit)})
    bound = limit / 127 / 254 / 2 * np.abs(weights).sum(axis=0).max()
    assert np.abs(_run(quantized, x) - x @ _on_grid(weights)).max() < bound + 1e-4


@pytest.mark.filterwarnings("ignore")
def test_completed_outputs_recover_weight_rounding_error(
    quantized: onnx.ModelProto, weights: NDArray[np.float32]
) -> None:
    x = np.random.default_rng(1).uniform(-4, 4, size=(3, 7, CHANNELS)).astype(np.float32)
    lacking = (weights - _on_grid(weights))[:, [2, 5]]
    use_token_scales(quantized, {LAYER: _layer(limit=4.0, completed=(2, 5), remainder=lacking)})
    error = np.abs(_run(quantized, x) - x @ weights).max(axis=(0, 1))
    assert error[[2, 5]].max() < 0.02
    assert np.delete(error, [2, 5]).min() > 0.02


@pytest.mark.filterwarnings("ignore")
def test_product_of_unknown_layer_is_refused(quantized: onnx.ModelProto) -> None:
    with pytest.raises(ExportError, match=r"an unknown layer, .*lin1/MatMul_output_0"):
        use_token_scales(quantized, {"layer.7.ffn.lin1": _layer()})
