"""Embeddings with one int8 scale per row: accuracy and a valid onnxruntime graph."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from export.quantization.embeddings import quantize_embeddings, rows_seen


def _lookup_model(table: np.ndarray) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["rows"], name="look-up")],
        "embedding",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", table.shape[1]])],
        [numpy_helper.from_array(table, "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_embedding_row_error_is_bounded_by_row_scale() -> None:
    random = np.random.default_rng(0)
    # with rows of such different magnitude, a common scale would round the small ones to 0
    table = (random.normal(size=(50, 16)) * np.logspace(-3, 1, 50)[:, None]).astype(np.float32)
    table[7] = 0
    model = _lookup_model(table)
    assert quantize_embeddings(model) == 1
    onnx.checker.check_model(model)
    assert {tensor.data_type for tensor in model.graph.initializer} == {TensorProto.INT8, TensorProto.FLOAT}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [rows] = session.run(None, {"ids": np.arange(50)})
    step = np.abs(table).max(axis=1, keepdims=True) / 127
    assert (np.abs(rows - table) <= step / 2 + 1e-9).all()


def test_selected_embedding_rows_have_16_bit_precision() -> None:
    table = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    model = _lookup_model(table)
    assert quantize_embeddings(model, {50: np.array([0, 3, 49])}) == 1
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [rows] = session.run(None, {"ids": np.arange(50)})
    error = np.abs(rows - table).max(axis=1)
    step = np.abs(table).max(axis=1) / 127
    fine = np.isin(np.arange(50), [0, 3, 49])
    assert (error[fine] <= step[fine] / 254 / 2 + 1e-6).all()
    assert (error[~fine] > step[~fine] / 10).all()


def test_most_frequent_embedding_rows_are_selected() -> None:
    assert rows_seen([[5, 5, 9], [9, 5, 7]], count=2, size=12).tolist() == [5, 9]
    assert rows_seen([[5, 5, 9], [9, 5, 7]], count=5, size=12).tolist() == [0, 1, 5, 7, 9]
