"""The fused file of an export: manifest entry, shared weights, and rejection of a wrong file."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export import assembly
from export.checkpoint import Checkpoint
from export.errors import ExportError, GateError
from export.quantization.fused import write_fused
from export.quantization.quantize import Quantizer
from export.quantization.recipe import Recipe
from export.quantization.rounding import RoundedLinear, round_linear_layers
from export.reference import PyTorchReference
from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.manifest import Manifest
from spam_edge.diagnostics.verify import verify_bundle

ROOT = Path(__file__).parents[3]
pytestmark = [
    pytest.mark.slow,
    # raised inside torch's exporter while it traces transformers
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*legacy.*:UserWarning"),
]


@pytest.mark.fused
def test_manifest_describes_fused_variant_and_error_band(bundle: Path) -> None:
    manifest = Manifest.read(bundle / "manifest.json")
    fused, int8 = manifest.variants["fused"], manifest.variants["int8"]
    assert (fused.fused, fused.weights, fused.providers) == (True, int8.file, int8.providers)
    assert (int8.fused, int8.weights) == (False, None)
    assert next(iter(manifest.variants)) == "fused"  # `auto` selects the first variant that runs
    assert verify_bundle(bundle, RuntimeOptions(device="cpu", variant="fused")).ok

    classifier = SpamClassifier.load(bundle, RuntimeOptions(device="cpu", variant="fused"))
    golden = Golden.read(classifier.bundle)
    margins = np.diff(classifier.logits(golden.texts)) - np.diff(golden.logits)
    assert fused.error_band is not None
    assert np.abs(margins).max() <= fused.error_band < 0.05


@pytest.mark.fused
def test_fused_variant_is_measured_like_other_variants(bundle: Path) -> None:
    measured = json.loads((bundle / "parity.json").read_text(encoding="utf-8"))
    assert [row["rows"] for row in measured["measured"] if row["variant"] == "fused"] == ["test", "golden"]
    assert measured["gate"]["fused"] == measured["gate"]["int8"]
    assert measured["batching"]["fused"] == {"n": 70, "max_abs_dp": 0}
    assert set(measured["replay_limits"]["fused"]) == {"max_abs_dp", "max_batch_dp"}
    assert "| fused | golden | 70 |" in (bundle / "README.md").read_text(encoding="utf-8")


@pytest.mark.fused
def test_fused_file_references_weights_of_int8_file(bundle: Path) -> None:
    tensors = onnx.load(bundle / "onnx" / "model_fused.onnx", load_external_data=False).graph.initializer
    weights = (bundle / "onnx" / "model_quantized.onnx").read_bytes()
    external = {tensor.name for tensor in tensors if tensor.data_location == onnx.TensorProto.EXTERNAL}
    assert external >= {tensor.name for tensor in tensors if tensor.name.endswith((".weights", ".coarse"))}
    for tensor in tensors:
        assert tensor.name in external or len(tensor.raw_data) < 1024 or tensor.raw_data not in weights


def _negate_constant(fused: Path) -> None:
    """Negate a constant that the fused file stores itself."""
    model = onnx.load(fused, load_external_data=False)
    [tensor] = [tensor for tensor in model.graph.initializer if tensor.name == "classifier.weight"]
    tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
    onnx.save(model, fused)


def _swap_two_layers(fused: Path) -> None:
    """Swap the external data of the value weights of two layers."""
    model = onnx.load(fused, load_external_data=False)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    first, last = (tensors[f"layer.{number}.attention.v_lin.weights"] for number in (0, 2))
    first_place, last_place = list(first.external_data), list(last.external_data)
    for tensor, place in ((first, last_place), (last, first_place)):
        del tensor.external_data[:]
        tensor.external_data.extend(place)
    onnx.save(model, fused)


@pytest.mark.fused
@pytest.mark.parametrize("damage", [_negate_constant, _swap_two_layers])
def test_damaged_fused_file_stops_export(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    write = Quantizer.write

    def write_and_damage(quantizer: Any, target: Path, recipe: Recipe, *, fused: Path) -> None:
        write(quantizer, target, recipe, fused=fused)
        damage(fused)

    monkeypatch.setattr(Quantizer, "write", write_and_damage)
    with pytest.raises(GateError, match=r"nothing was exported: fused on (80 test|70 golden) messages"):
        assembly.export_bundle(tiny_checkpoint, tmp_path / "bundle", name="t", version="1", report=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_fused_variant_is_skipped_with_reason_without_operator(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """Run in a subprocess whose operator library folder does not exist."""
    code = (
        "import sys; from pathlib import Path; from spam_edge.runtime import custom_operator\n"
        "custom_operator.FOLDER = Path('nowhere')\n"
        "from export.assembly import export_bundle\n"
        "export_bundle(Path(sys.argv[1]), Path(sys.argv[2]), name='t', version='1', report=print)"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, tiny_checkpoint, tmp_path / "bundle"]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    reason = "this installation lacks the fused operator, which needs Linux on x86-64 or ARM64"
    assert f"skipping the fused variant: {reason}" in completed.stdout.splitlines()
    assert set(Manifest.read(tmp_path / "bundle" / "manifest.json").variants) == {"int8", "fp16", "fp32"}
    assert not (tmp_path / "bundle" / "onnx" / "model_fused.onnx").exists()
    assert verify_bundle(tmp_path / "bundle", RuntimeOptions(device="cpu")).variant == "int8"


@pytest.fixture(scope="module")
def rounded(tiny_checkpoint: Path) -> tuple[Quantizer, dict[str, RoundedLinear]]:
    checkpoint = Checkpoint.read(tiny_checkpoint)
    quantizer = Quantizer(checkpoint, PyTorchReference(tiny_checkpoint, max_length=checkpoint.max_length))
    return quantizer, round_linear_layers(quantizer._reference.model, quantizer._activations, Recipe())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"layer.1/attention/q_lin", b"layer.1/attention/x_lin", r"no product of layer\.1\.attention\.q_lin"),
        (b"position_embeddings.weight_int8", b"position_embeddings.weight_int7", "no table of position_embeddings"),
    ],
)
def test_int8_file_with_unexpected_form_is_refused(
    rounded: tuple[Quantizer, dict[str, RoundedLinear]],
    bundle: Path,
    tmp_path: Path,
    *,
    old: bytes,
    new: bytes,
    words: str,
) -> None:
    quantizer, layers = rounded
    int8 = tmp_path / "int8.onnx"
    int8.write_bytes((bundle / "onnx" / "model_quantized.onnx").read_bytes().replace(old, new))
    with pytest.raises(ExportError, match=f"the int8 file has {words}"):
        write_fused(int8, tmp_path / "fused.onnx", model=quantizer._reference.model, layers=layers)
    assert not (tmp_path / "fused.onnx").exists()
