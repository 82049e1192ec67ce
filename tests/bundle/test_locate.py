"""Lookup of a bundle and verification of its files."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spam_edge import BundleIntegrityError, BundleNotFoundError, RuntimeOptions, SpamClassifier, SpamEdgeError
from spam_edge.bundle import locate
from spam_edge.bundle.locate import ENVIRONMENT_VARIABLE, Bundle
from spam_edge.integrations.columns import ColumnClassifier
from spam_edge.runtime.processor import this_processor

INT8_FILE = "onnx/model_quantized_without_vnni.onnx" if this_processor().saturates else "onnx/model_quantized.onnx"


def test_bundle_path_precedence_is_argument_environment_default(
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


def test_missing_bundle_error_names_location_and_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    with pytest.raises(
        BundleNotFoundError, match=r"artifacts/bundle \(the default location\) does not exist; run `make"
    ):
        Bundle.find()
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "elsewhere")
    with pytest.raises(BundleNotFoundError, match=r"elsewhere \(from SPAM_EDGE_MODEL\)"):
        Bundle.find()
    with pytest.raises(BundleNotFoundError, match=r"\(given by the caller\) has no manifest\.json"):
        Bundle.find(tmp_path)


def test_verify_detects_change_in_any_bundle_file(bundle_copy: Path) -> None:
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
        "onnx/model_quantized.onnx",  # also holds the weights of the fused variant
        pytest.param("onnx/model_fused.onnx", marks=pytest.mark.fused),
    ],
)
def test_classifier_refuses_truncated_changed_or_missing_files(bundle_copy: Path, name: str) -> None:
    path = bundle_copy / name
    original = path.read_bytes()
    path.write_bytes(original[:-1])
    with pytest.raises(BundleIntegrityError, match="bytes, expected"):
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
def test_corrupt_file_error_names_file_without_verification(bundle_copy: Path, name: str, variant: str) -> None:
    (bundle_copy / name).write_bytes(b"rubbish")
    with pytest.raises(BundleIntegrityError, match=name):
        SpamClassifier.load(bundle_copy, RuntimeOptions(device="cpu", variant=variant, verify=False))


def test_read_error_of_model_file_is_integrity_error(bundle_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The read error is simulated."""

    @contextmanager
    def fail(path: Path) -> Iterator[io.FileIO]:
        if path.suffix == ".onnx":
            raise OSError(5, "Input/output error")
        with opened(path) as stream:
            yield stream

    opened = locate._open
    monkeypatch.setattr(locate, "_open", fail)
    with pytest.raises(BundleIntegrityError, match=r"\.onnx cannot be read \(Input/output error\); export"):
        SpamClassifier.load(bundle_copy, RuntimeOptions(device="cpu"))


def test_bundle_digest_depends_on_manifest_content(bundle_copy: Path, tiny_bundle: Path) -> None:
    assert Bundle.find(bundle_copy).digest == Bundle.find(tiny_bundle).digest
    manifest = bundle_copy / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"version": "1"', '"version": "2"'))
    assert Bundle.find(bundle_copy).digest != Bundle.find(tiny_bundle).digest


@pytest.fixture
def home(tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with ``artifacts/bundle`` that only this user can write to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    shutil.copytree(tiny_bundle, "artifacts/bundle")
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return tmp_path


PLACES = (".", "artifacts", "artifacts/bundle", "artifacts/bundle/manifest.json")


@pytest.mark.skipif(os.name == "nt", reason="needs mode bits")
@pytest.mark.parametrize("place", PLACES)
def test_default_bundle_writable_by_others_is_refused(home: Path, place: str) -> None:
    SpamClassifier.load()
    path = home / place
    path.chmod(path.stat().st_mode | 0o002)
    message = f"^artifacts/bundle is not loaded by default: .* can write to {path}; name a bundle with --model or"
    for load in (Bundle.find, SpamClassifier.load, ColumnClassifier):
        with pytest.raises(BundleIntegrityError, match=message):
            load()
    assert Bundle.find("artifacts/bundle").path == home / "artifacts/bundle"  # chosen by the caller


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("place", PLACES)
def test_default_bundle_owned_by_another_user_is_refused(home: Path, place: str) -> None:
    os.chown(home / place, 4242, -1)
    with pytest.raises(BundleIntegrityError, match="other users own or can write to"):
        Bundle.find()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_only_own_group_may_write_to_default_bundle(home: Path) -> None:
    (home / "artifacts").chmod(0o775)
    assert Bundle.find().path.is_dir()  # the group of root
    os.chown(home / "artifacts", -1, 4242)
    with pytest.raises(BundleIntegrityError, match=f"can write to {home / 'artifacts'};"):
        Bundle.find()


@pytest.mark.skipif(os.name == "nt", reason="needs mode bits")
def test_permissions_of_default_bundle_symlink_target_are_checked(home: Path, bundle_copy: Path) -> None:
    shutil.rmtree(home / "artifacts/bundle")
    (home / "artifacts/bundle").symlink_to(bundle_copy)
    bundle_copy.chmod(0o777)
    with pytest.raises(BundleIntegrityError, match="can write to"):
        Bundle.find()


@pytest.mark.skipif(os.name == "nt", reason="needs mode bits")
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_folders_of_symlink_targets_are_checked(
    home: Path, tmp_path_factory: pytest.TempPathFactory, mode: int
) -> None:
    public = tmp_path_factory.mktemp("public")
    (public / "sub").mkdir(mode=0o755)
    (home / "artifacts").rename(public / "sub" / "artifacts")
    (public / "alias").symlink_to("sub/artifacts")
    (home / "artifacts").symlink_to(public / "alias")
    assert Bundle.find().path == public / "sub/artifacts/bundle"
    public.chmod(mode)
    if mode & 0o1000:  # only owners move what is in it
        assert Bundle.find().path.is_dir()
    else:
        with pytest.raises(BundleIntegrityError, match=f"can write to {public};"):
            Bundle.find()
    public.chmod(0o755)
    (home / "artifacts").unlink()
    (home / "artifacts").symlink_to("artifacts")
    with pytest.raises(BundleNotFoundError):
        Bundle.find()


def test_file_in_place_of_a_bundle_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    with pytest.raises(BundleNotFoundError, match="is a file, not a folder"):
        Bundle.find(tmp_path / "model.onnx")


@pytest.mark.parametrize("location", ["x" * 5000, "a\0b"])
def test_name_that_no_file_can_have_is_no_bundle(location: str) -> None:
    for load in (Bundle.find, SpamClassifier.load):
        with pytest.raises(BundleNotFoundError, match="does not exist"):
            load(location)


def test_verify_compares_sizes_before_it_hashes(bundle_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.truncate(bundle_copy / "golden.jsonl", 2**40)  # a hole
    monkeypatch.setattr(locate, "sha256_of_stream", lambda _: pytest.fail("it was hashed"))
    bundle = Bundle.find(bundle_copy)
    with pytest.raises(BundleIntegrityError, match=r"golden\.jsonl has more bytes, expected"):
        bundle.verify(["golden.jsonl"])


def test_file_that_does_not_fit_into_memory_is_named(bundle_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no memory for 5 bytes")

    bundle = Bundle.find(bundle_copy)
    monkeypatch.setattr(locate.PrivateCopy, "of", fail)
    with pytest.raises(SpamEdgeError, match=r"tokenizer\.json does not fit into memory"):
        bundle.read("tokenizer.json")


def test_bundle_with_another_digest_is_refused(tiny_bundle: Path) -> None:
    digest = hashlib.sha256((tiny_bundle / "manifest.json").read_bytes()).hexdigest()
    assert SpamClassifier.load(tiny_bundle, RuntimeOptions(digest=digest.upper())).bundle.digest == digest
    wrong_digest = RuntimeOptions(digest="0" * 64)
    for load in (SpamClassifier.load, lambda *given: SpamClassifier(Bundle.find(given[0]), given[1])):
        with pytest.raises(BundleIntegrityError, match=f"has the digest {digest}, not {'0' * 64}"):
            load(tiny_bundle, wrong_digest)
    with pytest.raises(BundleIntegrityError, match=f"has the digest {digest}, not {'0' * 64}"):
        ColumnClassifier(tiny_bundle, options=wrong_digest)


@pytest.mark.parametrize("digest", ["", "0" * 63, "g" * 64, "0" * 64 + "\n", "sha256:" + "0" * 64])
def test_malformed_digest_option_is_refused(digest: str) -> None:
    with pytest.raises(ValueError, match="digest must be 64 hex digits, as shown by spam-edge info"):
        RuntimeOptions(digest=digest)


def test_digest_option_requires_verification() -> None:
    with pytest.raises(ValueError, match="digest requires verify"):
        RuntimeOptions(digest="0" * 64, verify=False)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["tokenizer.json", "normalizer.json", "onnx/model_quantized.onnx"])
@pytest.mark.parametrize("verify", [True, False])
def test_named_pipe_in_bundle_is_refused_without_blocking(bundle_copy: Path, name: str, verify: bool) -> None:
    (bundle_copy / name).unlink()
    os.mkfifo(bundle_copy / name)
    with pytest.raises(BundleIntegrityError, match=f"{name} cannot be read \\(not a regular file\\)"):
        SpamClassifier.load(bundle_copy, RuntimeOptions(device="cpu", variant="int8", verify=verify))


@pytest.mark.parametrize("name", ["tokenizer.json", "normalizer.json", "onnx/model_quantized.onnx"])
@pytest.mark.parametrize("verify", [True, False])
def test_file_not_listed_in_manifest_is_refused(bundle_copy: Path, name: str, verify: bool) -> None:
    bundle = Bundle.find(bundle_copy)
    files = {listed: entry for listed, entry in bundle.manifest.files.items() if listed != name}
    object.__setattr__(bundle.manifest, "files", files)
    with pytest.raises(BundleIntegrityError, match=f"{name} is not listed in manifest.json"):
        SpamClassifier(bundle, RuntimeOptions(device="cpu", variant="int8", verify=verify))


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.skipif(INT8_FILE.endswith("vnni.onnx"), reason="int8 reads two files on this processor")
def test_bundle_files_are_opened_exactly_once(tiny_bundle: Path, verify: bool) -> None:
    """An audit hook records each path that Python opens. The libraries that parse the files receive bytes."""
    code = (
        "import os, sys; opened = []\n"
        "def hook(event, details):\n"
        "    if event == 'open' and str(details[0]).startswith(sys.argv[1]): opened.append(str(details[0]))\n"
        "sys.addaudithook(hook)\n"
        "from spam_edge import RuntimeOptions, SpamClassifier\n"
        f"options = RuntimeOptions(device='cpu', verify={verify}, variant='int8')\n"
        "SpamClassifier.load(sys.argv[1], options).classify('fr€e pr1ze')\n"
        "print(*sorted(os.path.relpath(path, sys.argv[1]) for path in opened))"
    )
    completed = subprocess.run([sys.executable, "-c", code, tiny_bundle], capture_output=True, text=True, check=True)
    assert completed.stdout.split() == ["manifest.json", "normalizer.json", INT8_FILE, "tokenizer.json"]
