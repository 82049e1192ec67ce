"""Row-wise int8 embeddings: close to the table, and a graph that onnxruntime runs."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from export.embeddings import quantize_embeddings


def _lookup_model(table: np.ndarray) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["rows"], name="look-up")],
        "embedding",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", table.shape[1]])],
        [numpy_helper.from_array(table, "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_each_row_keeps_its_own_precision() -> None:
    random = np.random.default_rng(0)
    # rows of very different size: one scale for all of them would round the small ones to nothing
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
