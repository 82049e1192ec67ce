"""Measure the machine's peak arithmetic throughput: large GEMMs, the fastest of several shapes and libraries.

Each thread runs a product of its own and waits for no other, so the result is an upper limit for every engine.

python -m tests.benchmarks.roofline THREADS SECONDS
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import Any

import numpy as np

from spam_edge.runtime.engine import import_onnxruntime

SHAPES = ((512, 384, 1536), (512, 768, 3072), (1024, 1024, 1024))
"""GEMM shapes (rows, depth, columns): the feed-forward layers of both models on 512 tokens, and a cube."""
_REPEATS = 3
_IN_A_ROW = 2  # products per timing


def rate(run: Callable[[], object], operations: int, pool: ThreadPoolExecutor, threads: int, seconds: float) -> float:
    """Return operations per second of all threads: the fastest run within the time limit, of at least three.

    Args:
        run: computes one product.
        operations: operations of one product.
        pool: thread pool that runs the products.
        threads: number of concurrent products.
        seconds: time limit.
    """

    def several(_: int) -> None:
        for _ in range(_IN_A_ROW):
            run()

    durations: list[float] = []
    while len(durations) < _REPEATS or sum(durations) < seconds:
        began = time.perf_counter()
        list(pool.map(several, range(threads)))
        durations.append(time.perf_counter() - began)
    return threads * _IN_A_ROW * operations / min(durations)


def products(rows: int, depth: int, columns: int) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Yield precision, library and a function that computes one product."""
    import torch

    left, right = torch.randn(rows, depth), torch.randn(depth, columns)
    yield "fp32", "torch", lambda: left @ right
    left16, right16 = left.bfloat16(), right.bfloat16()
    yield "bf16", "torch", lambda: left16 @ right16
    left8, right8 = (torch.randint(-127, 127, matrix.shape, dtype=torch.int8) for matrix in (left, right))
    yield "int8", "torch._int_mm", lambda: torch._int_mm(left8, right8)
    yield "int8", "onnxruntime MatMulInteger", _onnxruntime_product(left8.numpy(), right8.numpy())


def measure(threads: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Return by precision the peak operations per second, with library and shape; a multiply-add is two operations."""
    import torch

    torch.set_num_threads(1)
    found: list[dict[str, Any]] = []
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for shape in SHAPES:
            for precision, library, product in products(*shape):
                speed = rate(product, 2 * int(np.prod(shape)), pool, threads, seconds)
                found.append({"precision": precision, "operations_per_s": speed, "library": library, "shape": shape})
    found.sort(key=itemgetter("operations_per_s"))
    return {peak["precision"]: peak for peak in found}  # sorted by speed: the fastest of each precision wins


def _onnxruntime_product(left: Any, right: Any) -> Callable[[], object]:
    from onnx import TensorProto, helper, numpy_helper

    onnxruntime = import_onnxruntime()
    activations = (left.astype(np.int16) + 128).astype(np.uint8)
    node = helper.make_node("MatMulInteger", ["left", "right", "zero"], ["product"])
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("left", TensorProto.UINT8, left.shape)],
        [helper.make_tensor_value_info("product", TensorProto.INT32, [left.shape[0], right.shape[1]])],
        [numpy_helper.from_array(right, "right"), numpy_helper.from_array(np.array(128, dtype=np.uint8), "zero")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"left": activations})


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), float(sys.argv[2]))))
