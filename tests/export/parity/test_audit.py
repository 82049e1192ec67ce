"""16-bit pair sums: emulated, counted by hand, and computed by onnxruntime's kernels for processors without VNNI.

If CPUID can be made to fault, VNNI is hidden from a subprocess, so that onnxruntime selects those kernels; otherwise
these tests are skipped. On a processor without VNNI, tests/export/graphs/test_without_vnni.py tests them directly.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from export.errors import ExportError
from export.parity.audit import PairSumEmulator, ProductAudit, audit_pair_sums
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.runtime.providers import CPU, create_session

HIDE_VNNI = Path(__file__).parents[2] / "data" / "hide_vnni.c"


def _product(weights: np.ndarray, *, zero_point: int, bias: bool = False) -> onnx.ModelProto:
    """Return a model of one product whose weight scales are not powers of two."""
    outputs = weights.shape[1]
    constants = {
        "w": weights,
        "one": np.float32(0.37),
        "scales": np.linspace(0.01, 0.03, outputs, dtype=np.float32),
        "zero": np.uint8(zero_point),
        "zeros": np.zeros(outputs, dtype=np.int8),
        "bias": np.linspace(-1, 1, outputs, dtype=np.float32),
    }
    inputs = ["x", "w", "one", "scales", "zero", "zeros", *(["bias"] if bias else [])]
    graph = helper.make_graph(
        [helper.make_node("MatMulIntegerToFloat", inputs, ["y"], name="product", domain="com.microsoft")],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["rows", len(weights)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", outputs])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def _naive_pair_sums(x: np.ndarray, weights: np.ndarray, *, zero_point: int) -> tuple[np.ndarray, int, int]:
    """Return sums, number of pairs and number of saturated pairs, from three loops over Python integers."""
    rows, inputs = x.shape
    sums, pairs, saturating = np.zeros((rows, weights.shape[1]), dtype=np.int64), 0, 0
    for row in range(rows):
        for column in range(weights.shape[1]):
            for k in range(0, inputs, 2):
                pair = sum(int(x[row, i]) * int(weights[i, column]) for i in range(k, min(k + 2, inputs)))
                pairs += k + 1 < inputs
                saturating += not -32768 <= pair <= 32767
                sums[row, column] += min(max(pair, -32768), 32767)
            sums[row, column] -= zero_point * int(weights[:, column].astype(int).sum())
    return sums, pairs, saturating


def _scaled(sums: np.ndarray, outputs: int) -> np.ndarray:
    scales: np.ndarray = np.float32(0.37) * np.linspace(0.01, 0.03, outputs, dtype=np.float32)
    return sums.astype(np.float32) * scales


def test_pair_sums_saturate_as_computed_by_hand(tmp_path: Path) -> None:
    weights = np.array([[127, 127, -128], [127, 1, -128], [127, 1, 127]], dtype=np.int8)
    emulator = PairSumEmulator(_save(_product(weights, zero_point=0), tmp_path))
    y = emulator.run("y", {"x": np.array([[255, 255, 255], [200, 50, 0]], dtype=np.uint8)})
    # 2 x 255 x 127 and -2 x 255 x 128 saturate; 250 x 127 and -250 x 128 do not; the third input has no partner
    sums = np.array([[32767 + 255 * 127, 255 * 129, -32768 + 255 * 127], [250 * 127, 200 * 127 + 50, -250 * 128]])
    assert np.array_equal(y, _scaled(sums, 3))
    assert emulator.products == (ProductAudit("product", pairs=6, saturating=2, largest=2 * 255 * 128),)


@given(
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 5)),
    zero_point=st.sampled_from([0, 32, 128]),
    seed=st.integers(0, 2**32 - 1),
)
def test_emulation_matches_naive_integer_loops(
    tmp_path_factory: pytest.TempPathFactory, *, sizes: tuple[int, int, int], zero_point: int, seed: int
) -> None:
    rows, inputs, outputs = sizes
    rng = np.random.default_rng(seed)
    weights = rng.choice(np.array([-128, -127, -70, 0, 3, 64, 127], dtype=np.int8), size=(inputs, outputs))
    x = rng.choice(np.array([0, 1, 128, 200, 254, 255], dtype=np.uint8), size=(rows, inputs))
    path = _save(_product(weights, zero_point=zero_point), tmp_path_factory.mktemp("loops"))
    emulator = PairSumEmulator(path)
    sums, pairs, saturating = _naive_pair_sums(x, weights, zero_point=zero_point)
    assert np.array_equal(emulator.run("y", {"x": x}), _scaled(sums, outputs))
    assert [(p.pairs, p.saturating) for p in emulator.products] == [(pairs, saturating)]


@pytest.mark.parametrize("bias", [False, True])
def test_emulation_without_saturation_matches_onnxruntime(tmp_path: Path, bias: bool) -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(-64, 65, size=(48, 20), dtype=np.int8)
    path = _save(_product(weights, zero_point=128, bias=bias), tmp_path)
    x = rng.integers(0, 256, size=(7, 48), dtype=np.uint8)
    emulator = PairSumEmulator(path)
    expected = create_session(path, optimization="disabled", provider=CPU).run(["y"], {"x": x})[0]
    assert np.array_equal(emulator.run("y", {"x": x}), expected)
    assert np.array_equal(emulator.run_exact("y", {"x": x}), expected)
    assert emulator.products == (ProductAudit("product", pairs=7 * 24 * 20, saturating=0, largest=0),)


def test_file_without_integer_products_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(ExportError, match=r"model\.onnx has no product"):
        PairSumEmulator(tiny_bundle / "onnx" / "model.onnx")


def test_audit_covers_every_product_of_bundle(tiny_bundle: Path) -> None:
    bundle = Bundle.find(tiny_bundle)
    path = bundle.file(bundle.manifest.variants["int8"].file)
    ids = Golden.read(bundle).token_ids[:8]
    audit = audit_pair_sums(path, bundle.manifest, ids)
    names = [node.name for node in onnx.load(path).graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert [product.name for product in audit.products] == names
    assert audit.n == 8
    report = json.loads(json.dumps(audit.to_dict()))
    assert report["saturating"] == sum(product["saturating"] for product in report["products"]) > 0


@pytest.fixture(scope="module")
def without_vnni(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment in which onnxruntime detects no VNNI."""
    folder, compiler = tmp_path_factory.mktemp("cpuid"), shutil.which("cc")
    if compiler is None or sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("needs Linux on x86-64 and a C compiler")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", folder / "hide_vnni.so", HIDE_VNNI], check=True)
    environment = os.environ | {"LD_PRELOAD": str(folder / "hide_vnni.so"), "FOLDER": str(folder)}
    if subprocess.run(["true"], env=environment, capture_output=True, check=True).stderr:
        pytest.skip("CPUID cannot be made to fault here")
    return environment


_RUN = """
import sys, numpy, pathlib
from spam_edge.runtime.providers import CPU, create_session
path, output, folder = sys.argv[1:]
session = create_session(pathlib.Path(path), optimization="disabled", provider=CPU)
for feed in sorted(pathlib.Path(folder).glob("feed*.npz")):
    numpy.save(feed.with_suffix(".npy"), session.run([output], dict(numpy.load(feed)))[0])
"""


def _run_in_environment(
    environment: dict[str, str], model: Path, feeds: list[dict[str, np.ndarray]], *, output: str
) -> list[np.ndarray]:
    folder = Path(tempfile.mkdtemp(dir=environment["FOLDER"]))
    for index, feed in enumerate(feeds):
        np.savez(folder / f"feed{index:03}.npz", **feed)
    command = [sys.executable, "-c", _RUN, str(model), output, str(folder)]
    subprocess.run(command, check=True, env=environment)
    return [np.load(path) for path in sorted(folder.glob("feed*.npy"))]


@pytest.mark.parametrize("hidden", [{}, {"HIDE_AVX512": "1"}], ids=["VNNI", "VNNI and AVX-512"])
@pytest.mark.parametrize(("sizes", "zero_point"), [((384, 40), 128), ((391, 17), 32), ((37, 5), 0)])
def test_onnxruntime_kernels_without_vnni_match_emulation(
    without_vnni: dict[str, str], tmp_path: Path, *, hidden: dict[str, str], sizes: tuple[int, int], zero_point: int
) -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 128, size=sizes, dtype=np.int8)
    path = _save(_product(weights, zero_point=zero_point), tmp_path)
    feeds = [{"x": rng.integers(0, 256, size=(rows, sizes[0]), dtype=np.uint8)} for rows in (2, 3, 8, 13)]
    emulator = PairSumEmulator(path)
    kernel_outputs = _run_in_environment(without_vnni | hidden, path, feeds, output="y")
    assert all(np.array_equal(y, emulator.run("y", feed)) for y, feed in zip(kernel_outputs, feeds, strict=True))
    assert emulator.products[0].saturating > 0


def test_whole_network_without_vnni_matches_emulation(without_vnni: dict[str, str], tiny_bundle: Path) -> None:
    bundle = Bundle.find(tiny_bundle)
    path = bundle.file(bundle.manifest.variants["int8"].file)
    rows = [np.array([ids], dtype=np.int64) for ids in Golden.read(bundle).token_ids]
    feeds = [dict(zip(bundle.manifest.inputs, (row, np.ones_like(row)), strict=True)) for row in rows]
    emulator = PairSumEmulator(path)
    # Only VNNI is hidden, so that the floating-point kernels stay the same.
    kernel_outputs = _run_in_environment(without_vnni, path, feeds, output="logits")
    assert all(np.array_equal(y, emulator.run("logits", feed)) for y, feed in zip(kernel_outputs, feeds, strict=True))
