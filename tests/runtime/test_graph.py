"""ONNX files are checked before onnxruntime sees them."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.bundle.copies import PrivateCopy
from spam_edge.errors import BundleIntegrityError
from spam_edge.runtime.graph import Graph
from spam_edge.runtime.providers import CPU, create_session

onnx: Any = pytest.importorskip("onnx")
ONNX = Path(__file__).parents[1] / "data" / "tiny_bundle" / "onnx"
FUSED, INT8 = ONNX / "model_fused.onnx", ONNX / "model_quantized.onnx"


def read(path: Path, *, fused: bool = True, folder: Path = ONNX) -> Graph:
    def copy(name: str) -> PrivateCopy:
        with io.FileIO((path.parent if name == path.name else folder) / name) as stream:
            return PrivateCopy.of(stream)

    return Graph.read(path, copy, fused=fused)


def tensor(*, external: bool, **entries: str) -> Any:
    constant = onnx.helper.make_tensor("value", onnx.TensorProto.FLOAT, [2], [1.0, 2.0])
    if external:
        constant.ClearField("float_data")
        constant.data_location = onnx.TensorProto.EXTERNAL
        for key, entry in ({"location": "weights", "offset": "0", "length": "8"} | entries).items():
            constant.external_data.add(key=key, value=entry)
    return constant


def graph_of(nodes: list[Any], constants: list[Any]) -> Any:
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2])
    return onnx.helper.make_graph(nodes, "graph", [], [output], constants)


def add(domain: str = "") -> Any:
    return onnx.helper.make_node("Add", ["value", "value"], ["y"], domain=domain)


def save(folder: Path, graph: Any, **fields: Any) -> Path:
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9, **fields)
    (folder / "weights").write_bytes(np.array([3, 4], dtype=np.float32).tobytes())
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder / "model.onnx"


def in_subgraph(node: Any, constants: list[Any]) -> Any:
    branch = graph_of([node], constants)
    condition = onnx.helper.make_tensor("condition", onnx.TensorProto.BOOL, [], [True])
    return graph_of(
        [onnx.helper.make_node("If", ["condition"], ["y"], then_branch=branch, else_branch=branch)], [condition]
    )


@pytest.mark.parametrize("path", sorted(ONNX.glob("*.onnx")), ids=lambda path: path.stem)
def test_external_constants_match_onnx_library(path: Path) -> None:
    proto = onnx.load(path, load_external_data=False)
    expected = onnx.load(path)
    names = [t.name for t in proto.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    graph = read(path)
    assert [t.name for t in graph.external] == names
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in expected.graph.initializer}
    for name in names:
        assert graph.values[name].dtype == arrays[name].dtype
        assert np.array_equal(graph.values[name], arrays[name])


def test_without_external_empties_only_external_constants() -> None:
    expected = onnx.load(FUSED, load_external_data=False)
    for constant in expected.graph.initializer:
        if constant.data_location == onnx.TensorProto.EXTERNAL:
            name, kind = constant.name, constant.data_type
            constant.Clear()
            constant.name, constant.data_type = name, kind
            constant.dims.append(0)
    assert onnx.load_from_string(read(FUSED).without_external()) == expected


@pytest.mark.parametrize("domain", ["custom", "ai.onnx.ml", "spam_edge", "com.microsoft.nchwc"])
@pytest.mark.parametrize("place", ["graph", "subgraph", "function"])
def test_operator_of_unsupported_domain_is_refused(tmp_path: Path, domain: str, place: str) -> None:
    fields: dict[str, Any] = {}
    graph = graph_of([add(domain)], [tensor(external=False)])
    if place == "subgraph":
        graph = in_subgraph(add(domain), [tensor(external=False)])
    if place == "function":
        opsets = [onnx.helper.make_opsetid("", 18)]
        fields["functions"] = [onnx.helper.make_function("", "F", ["value"], ["y"], [add(domain)], opsets)]
        graph = graph_of([add()], [tensor(external=False)])
    with pytest.raises(
        BundleIntegrityError, match=rf"model\.onnx cannot be opened .*an operator of the domain '{domain}'"
    ):
        read(save(tmp_path, graph, **fields), fused=False)


def test_fused_operator_is_refused_in_other_variants() -> None:
    with pytest.raises(BundleIntegrityError, match="an operator of the domain 'spam_edge'"):
        read(FUSED, fused=False)


def test_external_data_is_read_through_given_reader(tmp_path: Path) -> None:
    path = save(tmp_path, graph_of([add()], [tensor(external=True)]))
    assert create_session(path, optimization="all", provider=CPU).run(["y"], {})[0].tolist() == [6, 8]
    with pytest.raises(BundleIntegrityError, match="not mine"):
        Graph.read(path, _reader_of("model.onnx", path), fused=False)


def _reader_of(allowed: str, path: Path) -> Callable[[str], PrivateCopy]:
    def copy(name: str) -> PrivateCopy:
        if name != allowed:
            raise BundleIntegrityError("not mine")
        with io.FileIO(path) as stream:
            return PrivateCopy.of(stream)

    return copy


@pytest.mark.parametrize(
    "location",
    ["", "../weights", "/etc/passwd", "sub/weights", "..\\weights", "c:weights", ".", "..", "*/_ORT_MEM_ADDR_/*"],
)
def test_external_data_outside_model_folder_is_refused(tmp_path: Path, location: str) -> None:
    path = save(tmp_path, graph_of([add()], [tensor(external=True, location=location)]))
    with pytest.raises(BundleIntegrityError, match="value has external data outside the folder"):
        read(path, folder=tmp_path)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"offset": "1"}, "does not fit into weights"),
        ({"offset": "-8"}, "must be numbers, not '-8'"),
        ({"length": "4"}, "does not fit into weights"),
        ({"length": "9" * 30}, "does not fit into weights"),
        ({"length": "eight"}, "must be numbers, not 'eight'"),
    ],
)
def test_external_data_with_invalid_offset_or_length_is_refused(
    tmp_path: Path, entries: dict[str, str], words: str
) -> None:
    path = save(tmp_path, graph_of([add()], [tensor(external=True, **entries)]))
    with pytest.raises(BundleIntegrityError, match=words):
        read(path, folder=tmp_path)


@pytest.mark.parametrize("place", ["subgraph", "attribute", "list", "sparse", "sparse attribute", "training"])
def test_external_data_outside_main_graph_constants_is_refused(tmp_path: Path, place: str) -> None:
    hidden, graph = tensor(external=True), graph_of([add()], [tensor(external=False)])
    if place == "subgraph":
        graph = in_subgraph(add(), [hidden])
    elif place == "attribute":
        graph.node.add(op_type="Constant", output=["z"]).attribute.add(name="value", type=4).t.CopyFrom(hidden)
    elif place == "list":
        graph.node.add(op_type="X").attribute.add(name="value", type=9).tensors.append(hidden)
    elif place == "sparse":
        graph.sparse_initializer.add().values.CopyFrom(hidden)
    elif place == "sparse attribute":
        graph.node.add(op_type="X").attribute.add(name="value", type=11).sparse_tensor.indices.CopyFrom(hidden)
    path = save(tmp_path, graph)
    if place == "training":
        model = onnx.load(path)
        model.training_info.add().algorithm.CopyFrom(graph_of([add()], [hidden]))
        onnx.save(model, path)
    with pytest.raises(BundleIntegrityError, match="external data are supported for constants of the main graph only"):
        read(path, folder=tmp_path)


def test_model_with_two_graphs_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, graph_of([add()], [tensor(external=False)]))
    path.write_bytes(path.read_bytes() * 2)  # protobuf joins repeated messages
    with pytest.raises(BundleIntegrityError, match="it is not an ONNX model"):
        read(path)


@given(content=st.binary(max_size=200))
def test_arbitrary_bytes_are_parsed_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("graphs") / "model.onnx"
    path.write_bytes(content)
    _read_or_refuse(path)


@given(place=st.integers(0, FUSED.stat().st_size - 1), byte=st.integers(0, 255), cut=st.booleans())
def test_corrupted_model_is_parsed_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int, cut: bool
) -> None:
    content = FUSED.read_bytes()
    path = tmp_path_factory.mktemp("graphs") / "model.onnx"
    path.write_bytes(content[:place] + bytes([byte]) + (b"" if cut else content[place + 1 :]))
    _read_or_refuse(path)


def _read_or_refuse(path: Path) -> None:
    def copy(name: str) -> PrivateCopy:
        target = path if name == path.name else INT8
        if target == INT8 and name != INT8.name:
            raise BundleIntegrityError(f"{name} is not listed")
        with io.FileIO(target) as stream:
            return PrivateCopy.of(stream)

    try:
        graph = Graph.read(path, copy, fused=True)
    except BundleIntegrityError:
        return
    assert len(graph.without_external()) > 0
