"""The fp16 graph without padding: its structure, its arithmetic in numpy, and the command that adds it to a bundle.

onnxruntime has no kernels for it on the CPU. Here its operators are computed as the contrib-operator documents of
onnxruntime specify them, and the command runs the graph that it was made from in its place.
"""

import hashlib
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from export.errors import ExportError, GateError
from export.graphs.packing import write_packed
from export.packed import PACKED, add_packed
from spam_edge import ProviderUnavailableError, RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.diagnostics.verify import verify_bundle
from spam_edge.runtime import providers
from spam_edge.runtime.batching import pad_rows
from spam_edge.runtime.providers import CPU, CUDA
from tests.support.cuda import NEEDS_CUDA, on_the_cpu, pretend_cuda

ROOT = Path(__file__).parents[3]
FP16_FILE, PACKED_FILE = "onnx/model_fp16.onnx", "onnx/model_fp16_packed.onnx"
Half = NDArray[np.float16]


@pytest.fixture
def packed(bundle_copy: Path) -> Path:
    """The packed file of the tiny bundle, beside its fp16 file."""
    write_packed(bundle_copy / FP16_FILE, bundle_copy / PACKED_FILE, layers=3)
    return bundle_copy / PACKED_FILE


def test_every_attention_is_packed_behind_one_removal(packed: Path) -> None:
    model = onnx.load(packed)
    onnx.checker.check_model(model)  # the nodes are in order, among others
    counts = Counter(node.op_type for node in model.graph.node)
    before = Counter(node.op_type for node in onnx.load(packed.with_name("model_fp16.onnx")).graph.node)
    assert before - counts == Counter({"Attention": 3})
    assert counts - before == Counter({"PackedAttention": 3, "RemovePadding": 1, "Slice": 1, "Gather": 1})
    assert {entry.domain for entry in model.opset_import} == {"", "com.microsoft"}
    order = [node.op_type for node in model.graph.node if "Padding" in node.op_type or "Attention" in node.op_type]
    assert order == ["RemovePadding", *["PackedAttention"] * 3]


def test_the_weights_are_those_of_the_fp16_file(packed: Path) -> None:
    model = onnx.load(packed, load_external_data=False)
    places = [{entry.key: entry.value for entry in t.external_data} for t in model.graph.initializer]
    assert {place["location"] for place in places if place} == {"model_fp16.onnx"}
    assert packed.stat().st_size < packed.with_name("model_fp16.onnx").stat().st_size / 4
    weights, twin = (
        {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
        for path in (packed, packed.with_name("model_fp16.onnx"))
    )
    assert weights.keys() - twin.keys() == {"message_starts_from", "message_starts_to"}
    for name, value in twin.items():
        np.testing.assert_array_equal(weights[name], value)


class RemovePadding(OpRun):
    op_domain = "com.microsoft"

    def _run(self, hidden: Half, lengths: NDArray[np.int32]) -> Any:
        rows, width, _ = hidden.shape
        real = np.arange(width) < lengths[:, None]
        offsets = np.concatenate([np.flatnonzero(real), np.flatnonzero(~real)]).reshape(rows, width)
        ends = np.concatenate([[0], np.cumsum(lengths)])
        return hidden[real], offsets.astype(np.int32), ends.astype(np.int32), np.array([lengths.max()], dtype=np.int32)


class RestorePadding(OpRun):
    op_domain = "com.microsoft"

    def _run(self, tokens: Half, offsets: NDArray[np.int32]) -> Any:
        rows = np.zeros((offsets.size, tokens.shape[1]), dtype=tokens.dtype)
        rows[offsets.ravel()[: len(tokens)]] = tokens
        return (rows.reshape(*offsets.shape, -1),)


class PackedAttention(OpRun):
    op_domain = "com.microsoft"

    def _run(self, tokens: Half, weights: Half, bias: Half, offsets: Any, ends: Any, *_: Any, num_heads: int) -> Any:
        found = []
        projected = tokens.astype(np.float32) @ weights.astype(np.float32) + bias
        for start, end in pairwise(ends):
            query, key, value = (
                part.reshape(end - start, num_heads, -1).swapaxes(0, 1) for part in np.split(projected[start:end], 3, 1)
            )
            scores = query @ key.swapaxes(1, 2) / math.sqrt(query.shape[2])
            shares = np.exp(scores - scores.max(axis=2, keepdims=True))
            shares /= shares.sum(axis=2, keepdims=True)
            found.append((shares @ value).swapaxes(0, 1).reshape(end - start, -1))
        return (np.concatenate(found).astype(np.float16),)


class SkipLayerNormalization(OpRun):
    op_domain = "com.microsoft"

    def _run(self, hidden: Half, skip: Half, *constants: Half, epsilon: float) -> Any:
        scale, shift, bias = constants
        rows = hidden.astype(np.float32) + skip + bias
        rows -= rows.mean(axis=-1, keepdims=True)
        rows /= np.sqrt(np.square(rows).mean(axis=-1, keepdims=True) + epsilon)
        return ((rows * scale + shift).astype(np.float16),)


class BiasGelu(OpRun):
    op_domain = "com.microsoft"

    def _run(self, hidden: Half, bias: Half) -> Any:
        rows = hidden.astype(np.float32) + bias
        return ((rows * 0.5 * (1 + np.vectorize(math.erf)(rows / math.sqrt(2)))).astype(np.float16),)


def test_computed_by_hand_it_has_the_logits_of_pytorch(packed: Path) -> None:
    golden = Golden.read(Bundle.find(packed.parents[1]))
    operators = [RemovePadding, RestorePadding, PackedAttention, SkipLayerNormalization, BiasGelu]
    by_hand = ReferenceEvaluator(onnx.load(packed), new_ops=operators)
    rows = [ids for ids in golden.token_ids if len(ids) <= 12][:20]
    expected = np.array([golden.logits[golden.token_ids.index(ids)] for ids in rows])
    ids, mask = pad_rows(rows, pad_token_id=0)
    assert not mask.all()  # there is padding to remove
    [logits] = by_hand.run(None, {"input_ids": ids, "attention_mask": mask})
    assert np.abs(logits - expected).max() < 2e-2


def test_a_graph_of_another_form_is_refused(bundle_copy: Path) -> None:
    with pytest.raises(ExportError, match="the graph has no fused layer"):
        write_packed(bundle_copy / "onnx" / "model.onnx", bundle_copy / PACKED_FILE, layers=3)


def _content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="this is the GPU build of onnxruntime")
def test_without_cuda_the_command_changes_nothing(bundle_copy: Path) -> None:
    before = _content(bundle_copy.parent)
    command = [sys.executable, "-m", "export.packed", "--bundle", str(bundle_copy)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "Error: CUDA was requested, but the installed onnxruntime is the CPU"
    )
    assert _content(bundle_copy.parent) == before


@pytest.fixture
def pretend_packed(bundle_copy: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that simulates CUDA: the fp16 graph runs on the CPU in place of the packed one.

    It takes a number that is added to the second logit.
    """
    twin = (bundle_copy / FP16_FILE).read_bytes()

    def pretend(error: float) -> None:
        real = on_the_cpu()

        def create(model: Any, **options: Any) -> Any:
            session = real(twin, **options)
            run = session.run
            session.run = lambda *arguments: [run(*arguments)[0] + np.array([0, error], dtype=np.float32)]
            return session

        pretend_cuda(monkeypatch, create)
        monkeypatch.setattr(providers, "_with_weights", lambda graph, *_, **__: (bytes(graph.copy.content), None))

    return pretend


def test_what_passes_the_gate_is_a_variant_that_must_be_asked_for(
    bundle_copy: Path, pretend_packed: Callable[[float], None]
) -> None:
    pretend_packed(0.0)
    parities = add_packed(Bundle.find(bundle_copy), None)
    assert [(parity.variant, parity.rows, parity.n) for parity in parities] == [(PACKED, "golden", 70)]
    assert verify_bundle(bundle_copy, RuntimeOptions(device="cuda", variant=PACKED)).ok
    assert SpamClassifier.load(bundle_copy, RuntimeOptions(device="cuda")).variant == "fp16"
    classifier = SpamClassifier.load(bundle_copy, RuntimeOptions(device="cuda", variant=PACKED, exact=True))
    assert classifier.classify("WINNER!! Call 09061701461 to claim your prize").label == "SPAM"
    with pytest.raises(ProviderUnavailableError, match="the fp16_packed file does not support the CPU"):
        SpamClassifier.load(bundle_copy, RuntimeOptions(device="cpu", variant=PACKED))
    assert SpamClassifier.load(bundle_copy, RuntimeOptions(device="cpu")).provider == CPU
    before = _content(bundle_copy)
    add_packed(Bundle.find(bundle_copy), None)  # again: it replaces the first
    assert _content(bundle_copy) == before


def test_what_differs_from_pytorch_is_not_added(bundle_copy: Path, pretend_packed: Callable[[float], None]) -> None:
    pretend_packed(0.1)
    before = _content(bundle_copy.parent)
    with pytest.raises(GateError, match="fp16_packed on 70 golden messages"):
        add_packed(Bundle.find(bundle_copy), None)
    assert _content(bundle_copy.parent) == before


@pytest.mark.gpu
@NEEDS_CUDA
def test_parity_of_the_packed_graph_on_a_real_cuda_device(bundle_copy: Path) -> None:
    [parity] = add_packed(Bundle.find(bundle_copy), None)
    assert parity.passed
    bundle = Bundle.find(bundle_copy)
    texts = Golden.read(bundle).texts
    scores = [
        SpamClassifier(bundle, RuntimeOptions(device="cuda", variant=name)).score(texts) for name in ("fp16", PACKED)
    ]
    assert np.abs(scores[0] - scores[1]).max() < 1e-2
    assert verify_bundle(bundle_copy, RuntimeOptions(device="cuda", variant=PACKED)).ok
