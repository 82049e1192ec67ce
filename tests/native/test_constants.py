"""The operator refuses a model with malformed constants or attributes when the session is created."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from spam_edge import BundleIntegrityError
from spam_edge.runtime.batching import pad_rows
from spam_edge.runtime.providers import CPU, create_session
from tests.support.vectors import use_vectors

pytestmark = pytest.mark.fused

FUSED = Path(__file__).parents[1] / "data" / "tiny_bundle" / "onnx" / "model_fused.onnx"
LAYER, DOWN, UP = "layer.1", "layer.1.ffn.lin2", "layer.1.ffn.lin1"
Array = NDArray[Any]


def _at(place: int, value: float) -> Callable[[Array], Array]:
    """Return a change of one value."""

    def change(array: Array) -> Array:
        changed = array.copy()
        changed.flat[place] = value
        return changed

    return change


def _constant(array: Array) -> Callable[[Array], Array]:
    return lambda _: array


NAN, INFINITY = float("nan"), float("inf")
CONSTANTS: dict[str, tuple[str, Callable[[Array], Array], str]] = {
    "a completed output behind the last": (
        f"{DOWN}.completed", _at(1, 32), "layer 1 down completed must have indices from 0 to 31, not 32",
    ),
    "a negative completed output": (f"{DOWN}.completed", _at(0, -1), "down completed must have .* 0 to 31, not -1"),
    "completed outputs that are read out of memory": (f"{DOWN}.completed", _at(0, 2**31 - 1), "not 2147483647"),
    "completed outputs where there are none": (
        f"{UP}.completed", _constant(np.zeros(2, np.int32)), r"layer 1 up completed must be int32 \(0\), not int32",
    ),
    "a remainder of fewer channels": (
        f"{DOWN}.remainder", lambda array: array[:, :-1], r"remainder must be fp32 \(2, 64\), not fp32 \(2, 63\)",
    ),
    "a repeated channel behind the last": (f"{UP}.repeated", _at(3, 32), "up repeated must have .* 0 to 31, not 32"),
    "fewer repeated channels than columns": (
        f"{UP}.repeated", lambda array: array[:-1], r"up repeated must be int32 \(30\), not int32 \(29\)",
    ),
    "repeated channels in 64 bits": (
        f"{UP}.repeated", lambda array: array.astype(np.int64), r"must be int32 \(30\), not int64 \(30\)",
    ),
    "a place behind the last": (
        "word_embeddings.places", _at(9, 426), "words places must have indices from 0 to 425, not 426",
    ),
    "a negative place": ("position_embeddings.places", _at(0, -1), "positions places must have .* not -1"),
    "fewer scales than ids": (
        "word_embeddings.scales", lambda array: array[:-1], r"words scales must be fp32 \(425\), not fp32 \(424, 1\)",
    ),
    "fewer channels of positions": (
        "position_embeddings.coarse", lambda array: array[:, :-1], r"must be int8 \(n, 32\), not int8 \(64, 31\)",
    ),
    "weights in fp32": (
        f"{DOWN}.weights", lambda array: array.astype(np.float32), r"must be int8 \(n, 32\), not fp32 \(100, 32\)",
    ),
    "weights of three dimensions": (f"{DOWN}.weights", lambda array: array[None], "not int8 of 3 dimensions"),
    "weights as a scalar": (f"{DOWN}.weights", lambda _: np.int8(1).reshape(()), "not int8 of 0 dimensions"),
    "no weights": (f"{DOWN}.weights", lambda array: array[:0], r"must be int8 \(n, 32\), not int8 \(0, 32\)"),
    "fewer columns than channels": (f"{DOWN}.weights", lambda array: array[:63], "must have 64 to 75000 rows, not 63"),
    "a feed-forward block that is wider than the first": (
        f"{UP}.weights", lambda array: np.tile(array, 3), r"up weights must be int8 \(n, 64\), not int8 \(62, 192\)",
    ),
    "a scale that is not a number": (f"{UP}.scales", _at(63, NAN), "up scales must have finite numbers only"),
    "an infinite weight of a layer norm": (
        f"distilbert.transformer.{LAYER}.sa_layer_norm.weight", _at(0, INFINITY), "attention norm weight must have",
    ),
    "an infinite bias of the classifier": ("classifier.bias", _at(1, -INFINITY), "classifier bias must have finite"),
    "a limit of 0": (f"{LAYER}.attention.q_lin.limit", _at(0, 0), "query limit must be above 0, not 0"),
    "a limit whose step vanishes": (f"{LAYER}.attention.q_lin.limit", _at(0, 1e-44), "query limit must be above 0"),
    "a limit where channels are split": (
        f"{UP}.limit", _constant(np.ones(1, np.float32)), "up limit must be empty where channels are split",
    ),
    "values in 8 bits beside keys in 16": (
        f"{LAYER}.attention.v_lin.limit", lambda array: array[:0], "value input must be quantised like that of key",
    ),
    "queries in 8 bits beside keys in 16": (
        f"{LAYER}.attention.q_lin.limit", lambda array: array[:0], "query input must be quantised like that of key",
    ),
    "a classifier of no labels": (
        "classifier.weight", lambda array: array[:, :0], r"must be fp32 \(32, n\), not fp32 \(32, 0\)",
    ),
}  # fmt: skip
ATTRIBUTES: dict[str, tuple[dict[str, object], str]] = {
    "heads that do not divide the channels": ({"heads": 5}, "words coarse has 32 columns, which 5 heads do not divide"),
    "heads that hang": ({"heads": 2**31}, "2147483648 heads do not divide"),
    "more heads than 64 bits count": ({"heads": 2**63 - 1}, "9223372036854775807 heads do not divide"),
    "no heads": ({"heads": 0}, "attribute heads must be at least 1, not 0"),
    "fewer layers than constants": ({"layers": 2}, "190 inputs do not fit the attribute layers, 2"),
    "more layers than memory": ({"layers": 2**62}, "190 inputs do not fit the attribute layers"),
    "negative layers": ({"layers": -1}, "190 inputs do not fit the attribute layers, -1"),
    "layers as a float": ({"layers": 3.0}, "Attribute name and type don't match"),
    "an epsilon that is not a number": ({"epsilon": NAN}, "attribute epsilon must be finite and above 0"),
    "a negative epsilon": ({"epsilon": -1.0}, "attribute epsilon must be finite and above 0"),
}


def _open(model: onnx.ModelProto, folder: Path, vectors: str) -> Any:
    path = folder / "model_fused.onnx"
    onnx.save(model, path)
    with use_vectors(vectors):
        return create_session(path, optimization="disabled", provider=CPU, fused=True)


def _assert_refused(model: onnx.ModelProto, folder: Path, vectors: str, reason: str) -> None:
    with pytest.raises(BundleIntegrityError, match=rf"model_fused\.onnx cannot be opened .*{reason}") as caught:
        _open(model, folder, vectors)
    assert "\n" not in str(caught.value)


@pytest.fixture
def model() -> onnx.ModelProto:
    return onnx.load(FUSED)


@pytest.mark.parametrize("name", CONSTANTS)
def test_malformed_constant_is_refused(model: onnx.ModelProto, tmp_path: Path, vectors: str, name: str) -> None:
    constant, change, reason = CONSTANTS[name]
    [tensor] = [tensor for tensor in model.graph.initializer if tensor.name == constant]
    changed = change(numpy_helper.to_array(tensor))
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(changed).reshape(changed.shape), constant))
    _assert_refused(model, tmp_path, vectors, reason)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_malformed_attribute_is_refused(model: onnx.ModelProto, tmp_path: Path, vectors: str, name: str) -> None:
    changes, reason = ATTRIBUTES[name]
    [node] = model.graph.node
    kept = [attribute for attribute in node.attribute if attribute.name not in changes]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(*change) for change in changes.items())])
    _assert_refused(model, tmp_path, vectors, reason)


def test_missing_or_additional_input_is_refused(model: onnx.ModelProto, tmp_path: Path, vectors: str) -> None:
    [node] = model.graph.node
    last = node.input.pop()
    _assert_refused(model, tmp_path, vectors, "189 inputs do not fit the attribute layers, 3")
    node.input.extend([last, last])
    _assert_refused(model, tmp_path, vectors, "191 inputs do not fit the attribute layers, 3")


def test_absent_required_input_is_refused(model: onnx.ModelProto, tmp_path: Path, vectors: str) -> None:
    model.graph.node[0].input[4] = ""
    _assert_refused(model, tmp_path, vectors, "Input2 is absent, but not optional")  # message of onnxruntime


def test_constant_exposed_as_graph_input_is_refused(model: onnx.ModelProto, tmp_path: Path, vectors: str) -> None:
    model.graph.input.append(helper.make_tensor_value_info(f"{DOWN}.completed", onnx.TensorProto.INT32, [2]))
    _assert_refused(model, tmp_path, vectors, "layer 1 down completed is missing or not constant")


def test_unaligned_constants_give_identical_logits(model: onnx.ModelProto, tmp_path: Path, vectors: str) -> None:
    """Constants shared with the int8 file may start at any offset."""
    batch = dict(
        zip(("input_ids", "attention_mask"), pad_rows([[2, 9, 3], [2, 11, 12, 3]], pad_token_id=0), strict=True)
    )
    expected = _open(model, tmp_path, vectors).run(None, batch)[0]
    content = b"?"
    for tensor in model.graph.initializer:
        if not tensor.raw_data:
            continue
        data = tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", "data"), ("offset", len(content)), ("length", len(data))):
            tensor.external_data.add(key=key, value=str(value))
        content += data + b"?" * (len(content + data) % 2 == 0)
    (tmp_path / "data").write_bytes(content)
    path = tmp_path / "model_fused.onnx"
    path.write_bytes(model.SerializeToString())
    with use_vectors(vectors):
        session = create_session(path, optimization="disabled", provider=CPU, fused=True)
    assert np.array_equal(session.run(None, batch)[0], expected)
