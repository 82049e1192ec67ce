"""Finding a bundle, and noticing that one of its files is not what was exported."""

from pathlib import Path

import pytest

from spam_edge import BundleIntegrityError, BundleNotFoundError, RuntimeOptions, SpamClassifier
from spam_edge import bundle as bundle_module
from spam_edge.bundle import ENVIRONMENT_VARIABLE, Bundle
from spam_edge.processor import this_processor

INT8_FILE = "onnx/model_quantized_without_vnni.onnx" if this_processor().saturates else "onnx/model_quantized.onnx"


def test_argument_goes_before_environment_before_default(
    bundle_copy: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = tmp_path / "artifacts" / "bundle"
    default.parent.mkdir()
    default.symlink_to(tiny_bundle, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    assert Bundle.find().path == tiny_bundle
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(bundle_copy))
    assert Bundle.find().path == bundle_copy
    assert Bundle.find(tiny_bundle).path == tiny_bundle


def test_no_bundle_says_where_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    with pytest.raises(BundleNotFoundError, match=r"artifacts/bundle \(the default place\) does not exist; run `make"):
        Bundle.find()
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "elsewhere")
    with pytest.raises(BundleNotFoundError, match=r"elsewhere \(from SPAM_EDGE_MODEL\)"):
        Bundle.find()
    with pytest.raises(BundleNotFoundError, match=r"\(named by the caller\) has no manifest\.json"):
        Bundle.find(tmp_path)


def test_every_file_is_verified(bundle_copy: Path) -> None:
    bundle = Bundle.find(bundle_copy)
    bundle.verify()
    on_disk = {path.relative_to(bundle_copy).as_posix() for path in bundle_copy.rglob("*") if path.is_file()}
    assert on_disk == {*bundle.manifest.files, "manifest.json"}
    for name in bundle.manifest.files:
        path = bundle_copy / name
        content = path.read_bytes()
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        with pytest.raises(BundleIntegrityError, match=f"{name} was changed after the export"):
            bundle.verify()
        path.write_bytes(content)


@pytest.mark.parametrize(
    "name",
    [
        "tokenizer.json",
        "onnx/model_quantized.onnx",  # of the fused file, too: it holds the weights of both
        pytest.param("onnx/model_fused.onnx", marks=pytest.mark.fused),
    ],
)
def test_what_a_classifier_uses_is_verified_before_use(bundle_copy: Path, name: str) -> None:
    path = bundle_copy / name
    original = path.read_bytes()
    path.write_bytes(original[:-1])
    with pytest.raises(BundleIntegrityError, match="bytes where"):
        SpamClassifier.load(bundle_copy)
    path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    with pytest.raises(BundleIntegrityError, match="sha256"):
        SpamClassifier.load(bundle_copy)
    path.unlink()
    with pytest.raises(BundleIntegrityError, match="missing"):
        SpamClassifier.load(bundle_copy)


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("tokenizer.json", "auto"),
        (INT8_FILE, "int8"),
        pytest.param("onnx/model_fused.onnx", "fused", marks=pytest.mark.fused),
    ],
)
def test_rubbish_is_a_clear_error_even_unverified(bundle_copy: Path, name: str, variant: str) -> None:
    (bundle_copy / name).write_bytes(b"rubbish")
    with pytest.raises(BundleIntegrityError, match=name):
        SpamClassifier.load(bundle_copy, RuntimeOptions(device="cpu", variant=variant, verify=False))


def test_a_file_that_cannot_be_read_is_not_taken_for_verified(
    bundle_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing disk is faked: here, every file that exists can be read."""

    def fail(path: Path) -> str:
        if path.suffix == ".onnx":
            raise OSError(5, "Input/output error")
        return whole(path)

    whole = bundle_module.sha256_of
    monkeypatch.setattr(bundle_module, "sha256_of", fail)
    with pytest.raises(BundleIntegrityError, match=r"\.onnx cannot be read \(Input/output error\); export"):
        SpamClassifier.load(bundle_copy, RuntimeOptions(device="cpu"))


def test_the_digest_changes_with_the_bundle(bundle_copy: Path, tiny_bundle: Path) -> None:
    assert Bundle.find(bundle_copy).digest == Bundle.find(tiny_bundle).digest
    manifest = bundle_copy / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"version": "1"', '"version": "2"'))
    assert Bundle.find(bundle_copy).digest != Bundle.find(tiny_bundle).digest
