"""The manifest: validation and JSON round trip."""

import json
from pathlib import Path
from typing import Any

import pytest

from spam_edge import ManifestError
from spam_edge.bundle.manifest import MANIFEST_NAME, BundleFile, Manifest, Variant

NOT_FINITE = (float("nan"), float("inf"), -float("inf"))  # Python's json module reads and writes all three


@pytest.fixture
def data(tiny_bundle: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((tiny_bundle / MANIFEST_NAME).read_text(encoding="utf-8"))
    return loaded


def test_manifest_survives_json_round_trip(data: dict[str, Any]) -> None:
    manifest = Manifest.from_dict(data)
    assert Manifest.from_dict(json.loads(json.dumps(manifest.to_dict()))) == manifest


def test_old_manifest_without_fused_operator_fields_is_read(data: dict[str, Any]) -> None:
    del data["variants"]["fused"]
    for variant in data["variants"].values():
        del variant["fused"], variant["weights"], variant["without_vnni"], variant["packed"]
    for variant in Manifest.from_dict(data).variants.values():
        assert (variant.fused, variant.needs) == (False, [variant.file])


def test_manifest_derives_labels_and_default_threshold(data: dict[str, Any]) -> None:
    manifest = Manifest.from_dict(data)
    assert (manifest.positive_index, manifest.positive_label, manifest.negative_label) == (1, "SPAM", "HAM")
    assert manifest.threshold == data["thresholds"][data["default_mode"]]


@pytest.mark.parametrize("field", ["labels", "max_length", "variants", "files", "temperature", "default_mode"])
def test_missing_manifest_field_is_named_in_error(data: dict[str, Any], field: str) -> None:
    del data[field]
    with pytest.raises(ManifestError, match=field):
        Manifest.from_dict(data)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("schema_version", 2, "schema_version must be 1"),
        ("labels", ["HAM", "HAM"], "labels must be two different names"),
        ("positive_label", "JUNK", "positive_label must be one of HAM, SPAM"),
        ("max_length", 2, "max_length"),
        ("temperature", 0, "temperature must be a number above 0"),
        *(("temperature", value, r"temperature must be a finite number") for value in (-1, *NOT_FINITE)),
        ("thresholds", {"balanced": 0}, "thresholds must be numbers above 0 and up to 1"),
        *(
            ("thresholds", {"balanced": value}, r"thresholds\.balanced must be a number from 0 to 1, not")
            for value in (-0.5, 1.5, *NOT_FINITE)
        ),
        ("default_mode", "none", "default_mode must be a mode that has a threshold"),
        ("variants", {}, "variants must be at least one ONNX file"),
        ("inputs", ["input_ids"], "inputs must be two names"),
        ("files", {"../outside": {"sha256": "0" * 64, "bytes": 1}}, "files must be relative paths inside the bundle"),
        ("temperature", "warm", "is invalid .*temperature must be .*warm"),
        ("unknown", 1, "is invalid .*unknown"),
    ],
)
def test_invalid_manifest_field_values_are_refused(data: dict[str, Any], field: str, value: object, words: str) -> None:
    data[field] = value
    with pytest.raises(ManifestError, match=words):
        Manifest.from_dict(data)


@pytest.mark.parametrize("value", [0, -0.1, *NOT_FINITE])
def test_nonpositive_or_nonfinite_error_band_is_refused(data: dict[str, Any], value: float) -> None:
    data["variants"]["int8"]["error_band"] = value
    with pytest.raises(ManifestError, match=r"variants\.(int8\.)?error_band must be a (finite )?number"):
        Manifest.from_dict(json.loads(json.dumps(data)))


def test_variant_with_unlisted_model_file_is_refused(data: dict[str, Any]) -> None:
    del data["files"]["onnx/model.onnx"]
    with pytest.raises(ManifestError, match=r"listed in files; missing: onnx/model\.onnx"):
        Manifest.from_dict(data)


def test_variant_with_unlisted_weights_file_is_refused(data: dict[str, Any]) -> None:
    data["variants"]["fused"]["weights"] = "onnx/other.onnx"
    with pytest.raises(ManifestError, match=r"listed in files; missing: onnx/other\.onnx"):
        Manifest.from_dict(data)


@pytest.mark.parametrize("path", ["/etc/passwd", "../model.onnx", "a//b", "C:model.onnx", "a\\b", ""])
def test_variant_paths_outside_bundle_are_refused(path: str) -> None:
    with pytest.raises(ManifestError, match=r"variants\.file must be .* inside the bundle"):
        Variant(path, ("CPUExecutionProvider",), 1)
    for field in ("weights", "without_vnni"):
        with pytest.raises(ManifestError, match=rf"variants\.{field} must be .* inside the bundle"):
            Variant("model.onnx", ("CPUExecutionProvider",), 1, **{field: path})


def test_bundle_files_and_variants_are_validated_on_construction() -> None:
    with pytest.raises(ManifestError, match="64 hex digits"):
        BundleFile("abc", 1)
    with pytest.raises(ManifestError, match="execution provider"):
        Variant("model.onnx", (), 1)
    with pytest.raises(ManifestError, match="optimization"):
        Variant("model.onnx", ("CPUExecutionProvider",), 1, optimization="most")
    with pytest.raises(ManifestError, match=r"variants\.fused must be true or false"):
        Variant("model.onnx", ("CPUExecutionProvider",), 1, fused="no")  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"1"])
def test_malformed_manifest_error_names_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / MANIFEST_NAME
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=MANIFEST_NAME):
        Manifest.read(path)
