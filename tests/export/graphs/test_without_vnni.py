"""The int8 graph for processors without VNNI computes exact sums on every processor."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.errors import ExportError
from export.graphs.without_vnni import path_without_vnni, write_without_vnni
from export.parity.audit import PairSumEmulator
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.runtime.processor import this_processor
from spam_edge.runtime.providers import CPU, create_session


@pytest.fixture
def feeds(tiny_bundle: Path) -> list[dict[str, np.ndarray]]:
    bundle = Bundle.find(tiny_bundle)
    rows = [np.array([ids], dtype=np.int64) for ids in Golden.read(bundle).token_ids]
    return [dict(zip(bundle.manifest.inputs, (row, np.ones_like(row)), strict=True)) for row in rows]


def test_graph_without_vnni_has_exact_sums(bundle_copy: Path, feeds: list[dict[str, np.ndarray]]) -> None:
    int8 = bundle_copy / "onnx" / "model_quantized.onnx"
    session = create_session(write_without_vnni(int8), optimization="basic", provider=CPU)
    emulator = PairSumEmulator(int8)
    for feed in feeds:
        assert np.array_equal(session.run(["logits"], feed)[0], emulator.run_exact("logits", feed))


@pytest.mark.skipif(this_processor().saturates, reason="on a processor without VNNI the int8 file is not exact")
def test_graph_without_vnni_has_same_logits_as_int8_file(bundle_copy: Path, feeds: list[dict[str, np.ndarray]]) -> None:
    int8 = bundle_copy / "onnx" / "model_quantized.onnx"
    without_vnni = create_session(path_without_vnni(int8), optimization="basic", provider=CPU)
    session = create_session(int8, optimization="disabled", provider=CPU)
    for feed in feeds:
        assert np.array_equal(session.run(["logits"], feed)[0], without_vnni.run(["logits"], feed)[0])


@pytest.mark.skipif(not this_processor().saturates, reason="needs a processor without VNNI")
def test_int8_file_matches_emulation_on_processor_without_vnni(
    bundle_copy: Path, feeds: list[dict[str, np.ndarray]]
) -> None:
    int8 = bundle_copy / "onnx" / "model_quantized.onnx"
    session = create_session(int8, optimization="disabled", provider=CPU)
    emulator = PairSumEmulator(int8)
    for feed in feeds:
        assert np.array_equal(session.run(["logits"], feed)[0], emulator.run("logits", feed))


def test_graph_without_vnni_references_weights_of_int8_file(bundle_copy: Path) -> None:
    int8 = bundle_copy / "onnx" / "model_quantized.onnx"
    path = write_without_vnni(int8)
    tensors = onnx.load(path, load_external_data=False).graph.initializer
    external = [{entry.key: entry.value for entry in tensor.external_data} for tensor in tensors]
    assert {entry["location"] for entry in external if entry} == {int8.name}
    assert sum(len(tensor.raw_data) for tensor in tensors) < 20_000
    assert sum(int(entry["length"]) for entry in external if entry) > 60_000


def test_file_without_integer_products_is_refused(bundle_copy: Path) -> None:
    with pytest.raises(ExportError, match=r"model\.onnx has no product"):
        write_without_vnni(bundle_copy / "onnx" / "model.onnx")
