"""The real exporter on a tiny checkpoint: written files, and no leftovers after a failure."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import numpy_helper

from export import assembly, selection
from export.alternatives import compare_ways
from export.bundle_files import FILES, FUSED
from export.checkpoint import Checkpoint
from export.errors import ExportError, GateError
from export.graphs.without_vnni import path_without_vnni, write_without_vnni
from export.parity.candidates import FUSED as SAME_FUSED
from export.parity.candidates import RECIPES, SHIPS, STOCK
from export.parity.gate import Limits
from export.quantization.quantize import Quantizer
from export.quantization.rounding import DAMPINGS
from export.report.controls import LIMIT
from spam_edge.bundle.hashes import sha256_of
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import BundleFile, Manifest
from spam_edge.diagnostics.verify import verify_bundle
from tests.support.timeouts import wait_until

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    # raised inside torch's exporter while it traces transformers
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*legacy.*:UserWarning"),
]


def _export(checkpoint: Path, target: Path) -> Any:
    return assembly.export_bundle(checkpoint, target, name="test", version="1", report=lambda _: None)


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "export", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_exported_bundle_contains_expected_files_and_verifies(bundle: Path) -> None:
    fused = {"onnx/model_fused.onnx"} if FUSED in FILES else set()
    assert {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()} == fused | {
        "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt",
        "onnx/model.onnx", "onnx/model_fp16.onnx", "onnx/model_fp16_packed.onnx", "onnx/model_quantized.onnx",
        "onnx/model_quantized_without_vnni.onnx", "normalizer.json",
        "parity.json", "golden.jsonl", "validation.json", "README.md", "evaluation.png", "manifest.json",
    }  # fmt: skip
    assert verify_bundle(bundle).ok
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_manifest_records_provenance_of_export(bundle: Path) -> None:
    provenance = Manifest.read(bundle / "manifest.json").provenance
    graphs = provenance["export"]["graphs"]
    assert graphs["int8"]["fused"]["MultiHeadAttention"] == 3
    assert graphs["int8"]["fused"]["MatMulIntegerToFloat"] == 18 + 9  # two each for 16-bit attention inputs
    assert graphs["fp16"]["fused"]["SkipLayerNormalization"] == 6
    assert provenance["export"]["quantisation"]["fine_layers"] == 3
    assert provenance["training"]["corpus"]["fingerprint"] == "0" * 64
    assert "optimum-onnx" in provenance["export"]["versions"]


def test_card_quotes_measured_metrics(bundle: Path) -> None:
    card = (bundle / "README.md").read_text(encoding="utf-8")
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    assert f"| spam F1 | {manifest['metrics']['test']['int8']['f1']:.4f}" in card
    assert "$" not in card
    for parity in json.loads((bundle / "parity.json").read_text(encoding="utf-8"))["measured"]:
        assert f"| {parity['variant']} | {parity['rows']} | {parity['n']} | {parity['max_abs_dlogit']:.1e}" in card


def test_card_lists_metrics_per_corpus(bundle: Path) -> None:
    card = (bundle / "README.md").read_text(encoding="utf-8")
    metrics = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))["metrics"]
    whole, ham = metrics["test_by_corpus"]["a.csv"], metrics["test_by_corpus"]["ham.csv"]
    assert whole.items() >= metrics["test"]["int8_one_per_cluster"].items()
    assert ham == {"n": 40, "n_spam": 0, "n_ham": 40, "false_positive_rate": whole["false_positive_rate"]}
    a, rate = f"{whole['recall']:.4f}", f"{whole['false_positive_rate']:.4f}"
    assert f"| a.csv | 80 | 40 | {a} | {rate} | {whole['f1']:.4f} |" in card
    assert f"| ham.csv | 40 | 0 |  | {rate} |  |" in card


def test_custom_data_is_exported_despite_failed_controls(bundle: Path) -> None:
    card = (bundle / "README.md").read_text(encoding="utf-8")
    controls = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))["metrics"]["controls"]
    # the limit is exceeded, but the bundle was exported
    assert max(control["value"] for control in controls.values()) > LIMIT
    assert f"| N6 {controls['N6']['title']} | {controls['N6']['value']:.2%} (" in card
    assert "SPAM and HAM are the labels of the user's own files" in card


@pytest.fixture(scope="module")
def compared(bundle: Path, two_corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle after ``python -m export.alternatives``."""
    copy = Path(shutil.copytree(bundle, tmp_path_factory.mktemp("compared") / "bundle"))
    command = [sys.executable, "-m", "export.alternatives", "--bundle", copy, "--checkpoint", two_corpora]
    completed = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (completed.returncode, completed.stdout) == (0, "")
    assert SHIPS in completed.stderr
    return copy


def test_alternative_quantisations_are_measured_and_listed_in_card(compared: Path) -> None:
    measured = json.loads((compared / "parity.json").read_text(encoding="utf-8"))
    card = (compared / "README.md").read_text(encoding="utf-8")
    stock, *others = measured["candidates"]
    fused = [SAME_FUSED] if FUSED in FILES else []
    assert (stock["name"], stock["speed"]) == (STOCK, 1)
    assert sorted(candidate["name"] for candidate in others) == sorted([*RECIPES, *fused])
    # the shipped recipe is measured again and gives the same result
    for variant, name in (("int8", SHIPS), *((FUSED, name) for name in fused)):
        [ships] = [candidate for candidate in others if candidate["name"] == name]
        [shipped] = [row for row in measured["measured"] if (row["variant"], row["rows"]) == (variant, "test")]
        assert ships["test"]["max_abs_dp"] == pytest.approx(shipped["max_abs_dp"])
        assert ships["test"]["max_abs_dp"] < others[0]["test"]["max_abs_dp"]
    assert all(candidate["max_abs_dp_in_batch"] == 0 for candidate in others)
    for candidate in measured["candidates"]:
        assert f"| {candidate['name']} | {candidate['bytes'] / 1e6:.1f} | {candidate['speed']:.2f}" in card
    assert "make alternatives" not in card


def test_measuring_alternatives_changes_only_card_and_parity_file(bundle: Path, compared: Path) -> None:
    before, after = Bundle.find(bundle), Bundle.find(compared)
    after.verify()
    changed = {name for name, file in after.manifest.files.items() if file != before.manifest.files[name]}
    assert changed == {"README.md", "parity.json"}
    assert verify_bundle(compared).ok


def test_export_does_not_measure_alternatives(bundle: Path) -> None:
    assert "`make alternatives` writes a table of them here" in (bundle / "README.md").read_text(encoding="utf-8")
    assert "candidates" not in json.loads((bundle / "parity.json").read_text(encoding="utf-8"))


def test_alternatives_refuse_checkpoint_of_different_bundle(bundle: Path, make_checkpoint: Callable[..., Path]) -> None:
    different_checkpoint = Checkpoint.read(make_checkpoint(hidden_dim=32))
    with pytest.raises(ExportError, match=r"was not made from .*; pass its --checkpoint, or export again"):
        compare_ways(Bundle.find(bundle), different_checkpoint)


def test_card_without_section_is_refused_before_measurement(
    bundle: Path, two_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Bundle.find(shutil.copytree(bundle, tmp_path / "bundle"))
    card = copy.file("README.md")
    card.write_text(card.read_text(encoding="utf-8").replace("<!-- quantisation -->", ""), encoding="utf-8")
    hashes = {"README.md": BundleFile(sha256_of(card), card.stat().st_size)}
    write_manifest = copy.file("manifest.json").write_text
    write_manifest(replace(copy.manifest, files={**copy.manifest.files, **hashes}).to_json(), encoding="utf-8")
    monkeypatch.setattr(Quantizer, "__init__", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(ExportError, match="has no section 'quantisation'; export the bundle again"):
        compare_ways(Bundle.find(copy.path), Checkpoint.read(two_corpora))


def test_bundle_contains_audit_for_processors_without_vnni(bundle: Path) -> None:
    audit = json.loads((bundle / "parity.json").read_text(encoding="utf-8"))["avx2_without_vnni"]
    assert (audit["n"], len(audit["products"])) == (70, 27)
    assert f"{audit['saturating']:,} of {audit['pairs']:,} such sums" in (bundle / "README.md").read_text(
        encoding="utf-8"
    )


def _corrupt_a_layer(path: Path) -> None:
    """Negate the weights of the last layer, because later layers could compensate those of an earlier one.

    The offsets stay the same: the fused file reads its weights by offset.
    """
    graph = onnx.load(path).graph
    name = [node.input[1] for node in graph.node if node.op_type in {"Gemm", "FusedGemm"}][-1]
    [tensor] = [tensor for tensor in graph.initializer if tensor.name == name]
    content = path.read_bytes()
    assert content.count(tensor.raw_data) == 1
    path.write_bytes(content.replace(tensor.raw_data, (-numpy_helper.to_array(tensor)).tobytes()))
    if path_without_vnni(path).exists():  # the graph for processors without VNNI stores small constants itself
        write_without_vnni(path)


def _corrupting(convert: Callable[..., Any], path_of: Callable[..., Path]) -> Callable[..., Any]:
    def corrupted(*arguments: Any, **options: Any) -> Any:
        result = convert(*arguments, **options)
        _corrupt_a_layer(path_of(result, *arguments))
        return result

    return corrupted


@pytest.mark.parametrize(
    ("owner", "function", "path_of", "variant"),
    [
        (Quantizer, "write", lambda _, *arguments: arguments[1], "int8"),
        (assembly, "convert_to_fp16", lambda result, *_: result, "fp16"),
        (assembly, "export_fp32", lambda result, *_: result, "fp32"),
    ],
)
def test_corrupted_weights_stop_export(  # noqa: PLR0917
    tiny_checkpoint: Path,
    bundle_copy: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    function: str,
    path_of: Callable[..., Path],
    variant: str,
) -> None:
    monkeypatch.setattr(owner, function, _corrupting(getattr(owner, function), path_of))
    before = verify_bundle(bundle_copy).digest
    with pytest.raises(GateError, match=rf"nothing was exported: .*{variant} on (80 test|70 golden) messages"):
        _export(tiny_checkpoint, bundle_copy)
    assert verify_bundle(bundle_copy).digest == before
    assert [path.name for path in bundle_copy.parent.iterdir()] == ["bundle"]


def test_missed_parity_target_is_retried_with_next_damping(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Quantizer.write
    dampings = []

    def corrupt_the_first(quantizer: Any, target: Path, recipe: Any, **options: Any) -> None:
        write(quantizer, target, recipe, **options)
        dampings.append(recipe.damping)
        if len(dampings) == 1:
            _corrupt_a_layer(target)

    monkeypatch.setattr(Quantizer, "write", corrupt_the_first)
    # the tiny model's own differences must not trigger another attempt
    monkeypatch.setattr(selection, "AIM", Limits(high_abs_dp=5e-2))
    reported: list[str] = []
    target = tmp_path / "bundle"
    assembly.export_bundle(tiny_checkpoint, target, name="test", version="1", report=reported.append)
    assert dampings == list(DAMPINGS[:2])
    assert f"int8 with damping {DAMPINGS[0]} misses the parity target" in reported
    assert Manifest.read(target / "manifest.json").provenance["export"]["quantisation"]["damping"] == DAMPINGS[1]
    assert verify_bundle(target).ok


def test_export_succeeds_if_every_damping_misses_target(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "AIM", Limits(max_abs_dp=0.0))
    reported: list[str] = []
    target = tmp_path / "bundle"
    assembly.export_bundle(tiny_checkpoint, target, name="test", version="1", report=reported.append)
    assert sum("misses the parity target" in line for line in reported) == len(DAMPINGS)
    assert verify_bundle(target).ok


def test_changed_tokenizer_stops_export(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = assembly.copy_tokenizer

    def copy_and_change(checkpoint: Any, folder: Path) -> None:
        copy(checkpoint, folder)
        path = folder / "tokenizer.json"
        path.write_text(path.read_text(encoding="utf-8").replace('"lowercase": true', '"lowercase": false'))

    monkeypatch.setattr(assembly, "copy_tokenizer", copy_and_change)
    with pytest.raises(GateError, match="token ids differ"):
        _export(tiny_checkpoint, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_missing_graph_fusion_stops_export(tiny_checkpoint: Path, tmp_path: Path) -> None:
    checkpoint = Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    # No fusion supports this activation, so the graph has no Gelu.
    (checkpoint / "config.json").write_text(json.dumps(config | {"activation": "relu"}), encoding="utf-8")
    with pytest.raises(ExportError, match=r"unexpected operator counts: .*Gelu 0 instead of 3"):
        _export(checkpoint, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("missing", ["config.json", "training.json", "vocab.txt", "splits/test.jsonl"])
def test_incomplete_checkpoint_error_names_missing_file(tiny_checkpoint: Path, tmp_path: Path, missing: str) -> None:
    checkpoint = Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))
    (checkpoint / missing).unlink()
    with pytest.raises(ExportError, match=rf"{missing} does not exist; run `make train` first"):
        _export(checkpoint, tmp_path / "bundle")


def test_missing_checkpoint_is_one_line_on_stderr(tmp_path: Path) -> None:
    completed = _run("--checkpoint", tmp_path / "nowhere", "--output", tmp_path / "bundle")
    assert (completed.returncode, completed.stdout) == (1, "")
    assert completed.stderr.splitlines() == [
        f"Error: {tmp_path}/nowhere/config.json does not exist; run `make train` first"
    ]


def test_folder_without_bundle_is_not_replaced(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ExportError, match="exists and is not a bundle; choose another --output"):
        _export(tiny_checkpoint, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_killed_export_leaves_existing_bundle_intact(tiny_checkpoint: Path, bundle_copy: Path) -> None:
    command = [sys.executable, "-m", "export", "--checkpoint", tiny_checkpoint, "--output", bundle_copy]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        begun = ".bundle.*.partial/onnx/*"
        wait_until(lambda: list(bundle_copy.parent.glob(begun)) or process.poll() is not None)
        assert process.poll() is None, "the export ended before it could be killed"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert verify_bundle(bundle_copy).ok
