"""The fused operator matches the int8 graph, and so PyTorch, for any model shape.

Both quantise to the same steps, but the operator sums in another order and approximates Gelu. A value near the midpoint
of two steps can round either way, which changes the input of later layers. The tolerance is therefore measured: it is
the change of the int8 graph's logits if its embeddings are perturbed in the last bits, like by another summation order,
and its Gelu outputs by up to the error of the approximation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from export.graphs.without_vnni import path_without_vnni, write_without_vnni
from export.parity.gate import LIMITS, compare
from export.quantization.recipe import Recipe
from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.decision.calibration import Calibration
from spam_edge.decision.comparison import Decision
from spam_edge.runtime.batching import pad_rows
from spam_edge.runtime.processor import this_processor
from spam_edge.runtime.providers import CPU, create_session
from tests.support.bundles import BUNDLES, TINY
from tests.support.vectors import fused_vectors, use_vectors

PERTURBATIONS = 6
GELU_ERROR = 7e-7  # maximum error of the approximation, see native/gelu.h
_EVERY = 3  # every third golden message of a bundle is used
MARGIN = 3  # few perturbations are sampled, so the largest effect may be missed
# token counts around multiples of registers, row tiles and tile chunks, up to the maximum
LENGTHS = [*range(1, 8), *(16 * n + more for n in range(1, 9) for more in (-1, 0, 1)), 255, 256, 257, 511, 512]
pytestmark = [
    pytest.mark.fused,
    # raised by torch's exporter while tracing transformers
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*legacy.*:UserWarning"),
]


@dataclass(frozen=True)
class Shape:
    """Sizes of a model, its quantisation recipe and the optional operator constants that the export must produce."""

    sizes: dict[str, int]
    recipe: Recipe
    constants: set[str]


SPLIT, FINE, COMPLETED = {"shares", "repeated", "offsets"}, {"limit"}, {"completed", "remainder"}
PLAIN = Recipe(outliers=0, outliers_after_gelu=0, fine_layers=0, completed_layers=0, fine_tokens=0)
SHAPES = {
    # no size is a multiple of the register width 16 or the panel width 64
    "narrow": Shape(
        {"dim": 24, "n_heads": 3, "hidden_dim": 50, "n_layers": 4},
        Recipe(outliers=7, fine_tokens=100),
        SPLIT | FINE | COMPLETED,
    ),
    "depth not a multiple of four": Shape(
        {"dim": 42, "n_heads": 3, "hidden_dim": 67, "n_layers": 2}, replace(PLAIN, outliers=3, completed_layers=1),
        SPLIT | COMPLETED,
    ),
    "heads of 20": Shape({"dim": 40, "n_heads": 2, "hidden_dim": 130, "n_layers": 4}, PLAIN, set()),
    "one wide head": Shape(
        {"dim": 72, "n_heads": 1, "hidden_dim": 200, "n_layers": 4}, Recipe(gptq=False, outliers=11),
        SPLIT | FINE | COMPLETED,
    ),
    "all attention in 16 bits": Shape(
        {"dim": 40, "n_heads": 4, "hidden_dim": 50, "n_layers": 3}, Recipe(outliers=0, outliers_after_gelu=0),
        FINE | COMPLETED,
    ),
    "split after Gelu alone": Shape(
        {"dim": 40, "n_heads": 4, "hidden_dim": 70, "n_layers": 2}, replace(PLAIN, outliers_after_gelu=15), SPLIT
    ),
    "fewer channels than are split": Shape(
        {"dim": 12, "n_heads": 3, "hidden_dim": 14, "n_layers": 4}, Recipe(outliers=15), SPLIT | FINE | COMPLETED
    ),
    # all sizes are multiples
    "even": Shape(
        {"dim": 64, "n_heads": 1, "hidden_dim": 128, "n_layers": 1}, Recipe(), SPLIT | FINE | COMPLETED
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Files:
    """The same weights as int8 graph and as fused operator, token rows, and their PyTorch logits, shape (rows, 2)."""

    int8: Path
    fused: Path
    rows: list[list[int]]
    pytorch: NDArray[np.float32]

    @classmethod
    def of_bundle(cls, folder: Path) -> "Files":
        bundle = Bundle.find(folder)
        variants = bundle.manifest.variants
        if "fused" not in variants:
            pytest.skip("the bundle has no fused variant")
        golden = Golden.read(bundle)
        files = (bundle.file(variants[name].file) for name in ("int8", "fused"))
        return cls(*files, golden.token_ids[::_EVERY], golden.logits[::_EVERY])

    @classmethod
    def export(cls, checkpoint: Path, folder: Path, recipe: Recipe) -> "Files":
        import torch  # imported here because the tests of bundles also run without torch
        from transformers import AutoModelForSequenceClassification

        from export.checkpoint import Checkpoint
        from export.quantization.quantize import Quantizer
        from export.reference import PyTorchReference

        read = Checkpoint.read(checkpoint)
        quantizer = Quantizer(read, PyTorchReference(checkpoint, max_length=read.max_length))
        int8, fused = folder / "int8.onnx", folder / "fused.onnx"
        quantizer.write(int8, recipe, fused=fused)
        model = AutoModelForSequenceClassification.from_pretrained(checkpoint, dtype=torch.float32).eval()
        rng = np.random.default_rng(0)
        rows = [rng.integers(0, read.config["vocab_size"], length).tolist() for length in LENGTHS]
        with torch.inference_mode():
            pytorch = [model(input_ids=torch.tensor([ids])).logits.numpy() for ids in rows]
        return cls(int8, fused, rows, np.concatenate(pytorch))


@dataclass(frozen=True)
class Reference:
    """Logits of the int8 graph, one row per run, and their absolute changes under perturbation."""

    files: Files
    int8: NDArray[np.float32]
    perturbations: list[NDArray[np.float32]]

    @classmethod
    def of(cls, files: Files, scratch: Path) -> "Reference":
        int8 = _run_one_by_one(_exact_session(files.int8), files.rows)
        perturbations = []
        for path in _perturbed_graphs(files.int8, scratch / "nudged.onnx"):
            perturbed = _run_one_by_one(_exact_session(path), files.rows)
            perturbations.append(np.abs(perturbed - int8))
        return cls(files, int8, perturbations)


@dataclass(frozen=True)
class Measured:
    """A reference with the logits of the fused operator, one row per run."""

    reference: Reference
    session: Any
    fused: NDArray[np.float32]

    @classmethod
    def of(cls, reference: Reference) -> "Measured":
        session = create_session(reference.files.fused, optimization="disabled", provider=CPU, fused=True)
        return cls(reference, session, _run_one_by_one(session, reference.files.rows))


def _exact_session(int8: Path) -> Any:
    """Open an int8 graph so that its products are exact on this processor, as the runtime does."""
    if this_processor().saturates:
        return create_session(path_without_vnni(int8), optimization="basic", provider=CPU)
    return create_session(int8, optimization="disabled", provider=CPU)


def _perturbed_graphs(int8: Path, target: Path) -> Iterator[Path]:
    """Yield int8 graphs with embeddings perturbed in the last bits and noise on the Gelu outputs."""
    model = onnx.load(int8)
    noises = _add_gelu_noise(model.graph)
    [tensor] = [entry for entry in model.graph.initializer if entry.name.endswith("word_embeddings.weight_scales")]
    scales = numpy_helper.to_array(tensor)
    for seed in range(PERTURBATIONS):
        change = 1 + 3e-7 * np.random.default_rng(seed).uniform(-1, 1, size=scales.shape)
        tensor.CopyFrom(numpy_helper.from_array((scales * change).astype(np.float32), tensor.name))
        for layer, noise in enumerate(noises):
            noise.f = float(PERTURBATIONS * layer + seed)
        onnx.save(model, target)
        write_without_vnni(target)
        yield target


def _add_gelu_noise(graph: onnx.GraphProto) -> list[onnx.AttributeProto]:
    """Add uniform noise to the output of each Gelu; return the seed attributes of the noise nodes."""
    nodes, seeds = list(graph.node), []
    del graph.node[:]
    for node in nodes:
        graph.node.append(node)
        if node.op_type != "Gelu":
            continue
        result, exact = node.output[0], f"{node.output[0]}_exact"
        graph.node[-1].output[0] = exact
        noise = helper.make_node(
            "RandomUniformLike", [exact], [f"{exact}_noise"], low=-GELU_ERROR, high=GELU_ERROR, seed=0.0
        )
        graph.node.extend([noise, helper.make_node("Add", [exact, f"{exact}_noise"], [result])])
        seeds += [entry for entry in graph.node[-2].attribute if entry.name == "seed"]
    return seeds


def _run(session: Any, rows: list[list[int]]) -> NDArray[np.float32]:
    ids, mask = pad_rows(rows, pad_token_id=0)
    logits: NDArray[np.float32] = session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
    return logits


def _run_one_by_one(session: Any, rows: list[list[int]]) -> NDArray[np.float32]:
    return np.concatenate([_run(session, [ids]) for ids in rows])


def _constants_in_use(fused: Path) -> set[str]:
    tensors = onnx.load(fused, load_external_data=False).graph.initializer
    optional = SPLIT | FINE | COMPLETED
    return {part for tensor in tensors if 0 not in tensor.dims and (part := tensor.name.rsplit(".")[-1]) in optional}


@cache  # pytest sets up a parametrised fixture again when it returns to an earlier parameter
def _reference_of(bundle: Path, scratch: Callable[[str], Path]) -> Reference:
    return Reference.of(Files.of_bundle(bundle), scratch("nudged"))


@pytest.fixture(scope="module", params=BUNDLES)
def bundle_reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return _reference_of(request.param, tmp_path_factory.mktemp)


@pytest.fixture(scope="module")
def bundled(vectors: str, bundle_reference: Reference) -> Measured:  # ``vectors`` first: it may skip
    with use_vectors(vectors):
        return Measured.of(bundle_reference)


@pytest.fixture(scope="module", params=SHAPES)
def shape_reference(
    request: pytest.FixtureRequest,
    make_checkpoint: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Reference:
    shape, folder = SHAPES[request.param], tmp_path_factory.mktemp("shape")
    checkpoint = make_checkpoint(**shape.sizes, max_position_embeddings=max(LENGTHS))
    files = Files.export(checkpoint, folder, shape.recipe)
    assert _constants_in_use(files.fused) == shape.constants
    return Reference.of(files, folder)


@pytest.fixture(scope="module")
def shaped(vectors: str, shape_reference: Reference) -> Measured:
    with use_vectors(vectors):
        return Measured.of(shape_reference)


def _assert_close_to_int8(measured: Measured) -> None:
    difference = np.abs(measured.fused - measured.reference.int8)
    for statistic in (np.max, np.mean):
        assert statistic(difference) <= MARGIN * max(map(statistic, measured.reference.perturbations))


def _assert_identical_in_any_batch(measured: Measured) -> None:
    rows, alone = measured.reference.files.rows, measured.fused
    assert np.array_equal(_run(measured.session, rows), alone)
    assert np.array_equal(_run(measured.session, rows[::-1]), alone[::-1])
    for count in (2, 3, 5, 11):
        parts = [_run(measured.session, rows[start : start + count]) for start in range(0, len(rows), count)]
        assert np.array_equal(np.concatenate(parts), alone)


def _assert_identical_with_every_library(reference: Reference) -> None:
    results = []
    for name in fused_vectors():
        with use_vectors(name):
            results.append(Measured.of(reference).fused)
    if len(results) < 2:
        pytest.skip("this processor can run only one library")
    assert all(np.array_equal(results[0], logits) for logits in results[1:])


def test_bundle_fused_logits_match_int8_graph(bundled: Measured) -> None:
    _assert_close_to_int8(bundled)


def test_bundle_logits_are_identical_in_any_batch(bundled: Measured) -> None:
    _assert_identical_in_any_batch(bundled)


def test_bundle_logits_are_identical_with_every_library(bundle_reference: Reference) -> None:
    _assert_identical_with_every_library(bundle_reference)


@pytest.mark.parametrize("folder", BUNDLES)
def test_golden_messages_pass_parity_gate(folder: Path, vectors: str) -> None:
    with use_vectors(vectors):
        classifier = SpamClassifier.load(folder, RuntimeOptions(device="cpu", variant="fused"))
    golden = Golden.read(classifier.bundle)
    assert classifier.token_ids(golden.texts) == golden.token_ids
    measured = classifier.logits(golden.texts)
    decision = Decision.of(classifier.manifest)
    assert compare("fused", "golden", measured=measured, reference=golden.logits, decision=decision).passed


@cache
def _classifiers(vectors: str) -> tuple[SpamClassifier, SpamClassifier]:
    """Return the tiny bundle's fused operator and its int8 graph."""
    with use_vectors(vectors):
        fused, int8 = (SpamClassifier.load(TINY, RuntimeOptions(device="cpu", variant=v)) for v in ("fused", "int8"))
    return fused, int8


@given(texts=st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=200), min_size=1, max_size=10))
def test_random_text_logits_differ_by_fraction_of_error_band(vectors: str, texts: list[str]) -> None:
    fused, int8 = _classifiers(vectors)
    band = int8.manifest.variants["int8"].error_band
    assert band is not None
    assert np.abs(fused.logits(texts) - int8.logits(texts)).max() <= band / 10


@pytest.mark.slow
def test_model_shape_logits_match_int8_graph(shaped: Measured) -> None:
    _assert_close_to_int8(shaped)


@pytest.mark.slow
def test_model_shape_logits_are_identical_in_any_batch(shaped: Measured) -> None:
    _assert_identical_in_any_batch(shaped)


@pytest.mark.slow
def test_model_shape_logits_are_identical_with_every_library(shape_reference: Reference) -> None:
    _assert_identical_with_every_library(shape_reference)


@pytest.mark.slow
def test_model_shape_logits_pass_parity_limits(shaped: Measured) -> None:
    decision = Decision(Calibration(), threshold=0.5)
    pytorch = shaped.reference.files.pytorch
    parity = compare("fused", "random", measured=shaped.fused, reference=pytorch, decision=decision)
    # scores of random tokens may lie at the threshold, so label flips are not limited
    assert parity.within(replace(LIMITS["fused"], flip_rate=None)), parity
    assert np.ptp(pytorch, axis=0).min() > 0.5  # constant logits would make the comparison trivial


@pytest.mark.slow
def test_16_bit_saturation_matches_int8_graph(
    make_checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vectors: str
) -> None:
    # half the calibrated range instead of 4 times forces saturation
    monkeypatch.setattr("export.quantization.rounding._HEADROOM", 0.5)
    checkpoint = make_checkpoint(max_position_embeddings=max(LENGTHS))
    reference = Reference.of(Files.export(checkpoint, tmp_path, Recipe()), tmp_path)
    with use_vectors(vectors):
        _assert_close_to_int8(Measured.of(reference))
    assert np.abs(reference.int8 - reference.files.pytorch).max() > 0.1  # many values saturated
