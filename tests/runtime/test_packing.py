"""Weights packed before a session opens: bit-identical logits, and one copy of each weight in memory."""

import io
import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spam_edge import BundleIntegrityError
from spam_edge.bundle.copies import PrivateCopy
from spam_edge.runtime.batching import pad_rows
from spam_edge.runtime.custom_operator import WEIGHTS, library
from spam_edge.runtime.graph import ExternalTensor, Graph
from spam_edge.runtime.packing import pack_weights
from spam_edge.runtime.providers import CPU, create_session, open_graph
from tests.support.vectors import use_vectors

pytestmark = pytest.mark.fused

ONNX = Path(__file__).parents[1] / "data" / "tiny_bundle" / "onnx"
FUSED = ONNX / "model_fused.onnx"
QUERY, REPEATED = "layer.0.attention.q_lin.weights", "layer.0.attention.q_lin.repeated"
INT8, FLOAT = 3, 1  # element types of ONNX
_TYPES = {INT8: np.dtype(np.int8), FLOAT: np.dtype(np.float32)}


def _copy(path: Path) -> PrivateCopy:
    with io.FileIO(path) as stream:
        return PrivateCopy.of(stream)


def _read() -> Graph:
    return Graph.read(FUSED, lambda name: _copy(ONNX / name), fused=True)


def _run(session: Any) -> NDArray[np.float32]:
    ids, mask = pad_rows([[2, 9, 3], [2, 11, 12, 3], [2, *range(10, 60), 3]], pad_token_id=0)
    logits: NDArray[np.float32] = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
    return logits


def _open(graph: Graph) -> Any:
    return open_graph(graph, optimization="disabled", provider=CPU)


def test_packed_weights_give_bit_identical_logits(vectors: str) -> None:
    with use_vectors(vectors):
        packed = pack_weights(_read(), library())
        assert {value.dtype for name, value in packed.values.items() if name.endswith(WEIGHTS)} == {np.dtype(np.uint8)}
        expected = _run(create_session(FUSED, optimization="disabled", provider=CPU, fused=True))
        sessions = [_open(packed) for _ in range(2)]  # a forked process opens a second session with the same weights
    for session in sessions:
        assert np.array_equal(_run(session), expected)


def _larger(value: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    return _aligned(np.zeros((value.shape[0] + rows, value.shape[1] + columns), dtype=value.dtype))


def _aligned(value: NDArray[Any], offset: int = 0) -> NDArray[Any]:
    memory = np.empty(value.nbytes + 128, dtype=np.uint8)
    start = -memory.ctypes.data % 64 + offset
    copy = memory[start : start + value.nbytes].view(value.dtype).reshape(value.shape)
    copy[:] = value
    return copy


PACKED = "of uint8 must be packed by this library, and aligned to 64 bytes"
WRONG: dict[str, tuple[Callable[[NDArray[Any]], NDArray[Any]], str]] = {
    "too many rows": (lambda value: _larger(value, 4, 0), PACKED),
    "too few rows": (lambda value: _aligned(value[:-4]), PACKED),
    "too many columns": (lambda value: _larger(value, 0, 16), PACKED),
    "none": (lambda value: value[:0], r"must be uint8 \(n, n\), not uint8 \(0, \d+\)"),
    "a vector": (lambda value: _aligned(value.reshape(-1)), r"must be uint8 \(n, n\), not uint8 \(\d+\)"),
    "unaligned": (lambda value: _aligned(value, 4), PACKED),
}


@pytest.mark.parametrize("name", WRONG)
def test_packed_weights_of_wrong_shape_or_alignment_are_refused(vectors: str, name: str) -> None:
    change, reason = WRONG[name]
    with use_vectors(vectors):
        packed = pack_weights(_read(), library())
        wrong = packed._replace(values={**packed.values, QUERY: change(packed.values[QUERY])})
        with pytest.raises(BundleIntegrityError, match=f"constant layer 0 query weights {reason}"):
            _open(wrong)


@pytest.mark.parametrize("count", [1, 4, 1000, 100_000])
def test_column_count_inconsistent_with_packed_weights_is_refused(tmp_path: Path, vectors: str, count: int) -> None:
    """The operator derives the number of columns from the ``repeated`` constant."""
    model = onnx.load(FUSED, load_external_data=False)
    [repeated] = [tensor for tensor in model.graph.initializer if tensor.name == REPEATED]
    repeated.CopyFrom(onnx.numpy_helper.from_array(np.zeros(count, dtype=np.int32), REPEATED))
    path = tmp_path / FUSED.name
    path.write_bytes(model.SerializeToString())
    graph = Graph.read(path, lambda name: _copy(path if name == path.name else ONNX / name), fused=True)
    reason = r"layer 0 query (weights of uint8|shares) must"
    with use_vectors(vectors), pytest.raises(BundleIntegrityError, match=reason):
        _open(pack_weights(graph, library()))


def _tensor(name: str, shape: tuple[int, ...], data_type: int, offset: int) -> ExternalTensor:
    size = int(np.prod(shape)) * _TYPES[data_type].itemsize
    return ExternalTensor(name, (0, 0), data_type, shape, "weights", offset, size)


def _graph(path: Path, tensors: list[ExternalTensor]) -> Graph:
    copy = _copy(path)
    values = {tensor.name: tensor.value(copy.content) for tensor in tensors}
    return Graph(path, True, PrivateCopy(b"", ""), tuple(tensors), {"weights": copy}, values)


SIZE = 40 * mmap.PAGESIZE
_SHAPES = st.sampled_from([(1, 1), (7, 5), (64, 64), (130, 100), (384, 100), (100, 384)])


@st.composite
def _layouts(draw: st.DrawFn) -> list[ExternalTensor]:
    """Constants at any offset of a file; some overlap wholly or in part."""
    tensors = []
    for number in range(draw(st.integers(1, 8))):
        shape, packed = draw(_SHAPES), draw(st.booleans())
        kind = INT8 if packed else draw(st.sampled_from([INT8, FLOAT]))
        room = SIZE - int(np.prod(shape)) * _TYPES[kind].itemsize
        places = [tensor.offset for tensor in tensors if tensor.offset <= room]
        offset = draw(st.sampled_from(places) if places and draw(st.booleans()) else st.integers(0, room))
        tensors.append(_tensor(f"{number}{WEIGHTS if packed else '.bias'}", shape, kind, offset))
    return tensors


@given(tensors=_layouts())
def test_packing_preserves_constants_with_overlapping_bytes(
    tmp_path_factory: pytest.TempPathFactory, tensors: list[ExternalTensor]
) -> None:
    path = tmp_path_factory.getbasetemp() / "packing-weights"
    path.write_bytes(np.random.default_rng(0).bytes(SIZE))
    separate = {tensor.name: _graph(path, [tensor]) for tensor in tensors}
    packed = pack_weights(_graph(path, tensors), library())
    for name, alone in separate.items():
        expected = pack_weights(alone, library()).values[name] if name.endswith(WEIGHTS) else alone.values[name]
        assert np.array_equal(packed.values[name].view(np.uint8), expected.view(np.uint8)), name


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="the system does not take pages back")
def test_memory_of_packed_weights_is_released(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"\x01" * SIZE)
    large, size = _tensor(f"large{WEIGHTS}", (384, 100), INT8, 100), mmap.PAGESIZE
    graph = _graph(tmp_path / "weights", [large, _tensor("beside.bias", (10,), FLOAT, large.offset + large.length)])
    pack_weights(graph, library())
    content = bytes(graph.files["weights"].content)
    released = content[size : (large.offset + large.length) // size * size]
    assert not any(released)
    assert content.count(1) == SIZE - len(released)


_PEAK = """
import io, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[2])
from spam_edge.runtime.custom_operator import library
from spam_edge.runtime.packing import pack_weights
from tests.runtime.test_packing import INT8, _graph, _tensor

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))

side, count = 1024, 48
tensors = [_tensor(f"{number}.weights", (side, side), INT8, number * side * side) for number in range(count)]
pack_weights(_graph(Path(sys.argv[1]), tensors[:1]), library())
before = peak()
packed = pack_weights(_graph(Path(sys.argv[1]), tensors), library())
print((peak() - before) / (count * side * side))
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="requires /proc")
def test_packing_never_holds_weights_twice(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(os.urandom(48 * 2**20))
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", _PEAK, str(tmp_path / "weights"), root]
    completed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert float(completed.stdout) < 1.2  # twice as much if both forms were held
