"""The wheel contains only the package, and runs with only the runtime dependencies and without sockets."""

import platform
import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNTIME = ("numpy", "tokenizers", "click", "onnxruntime")
# Folders of shared libraries beside the packages.
LIBRARY_FOLDERS = ("numpy.libs", "onnxruntime.libs", "tokenizers.libs")
LIBRARIES = [f"spam_edge/native/libspam_encoder_{vectors}.so" for vectors in ("amx", "avx2", "avx512", "avx_vnni")]
LIBRARIES.append("spam_edge/native/libspam_text_x86_64.so")
COMPILED = sys.platform == "linux" and platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the unpacked wheel and links to its dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    for name in RUNTIME:
        specification = find_spec(name)
        assert specification is not None
        assert specification.origin is not None
        package = Path(specification.origin).parent
        (folder / name).symlink_to(package)
        for beside in LIBRARY_FOLDERS:
            if (package.parent / beside).exists() and not (folder / beside).exists():
                (folder / beside).symlink_to(package.parent / beside)
    for metadata in Path(find_spec("numpy").origin).parents[1].glob("*.dist-info"):  # type: ignore[union-attr,arg-type]
        if metadata.name.split("-")[0].lower() in RUNTIME:
            (folder / metadata.name).symlink_to(metadata)
    return folder


def test_wheel_contains_only_package_with_data_and_license(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    metadata = {name for name in names if ".dist-info/" in name}
    assert {name.split("/")[0] for name in set(names) - metadata} == {"spam_edge"}
    assert "spam_edge/py.typed" in names
    assert "spam_edge/training/__main__.py" in names
    assert "spam_edge/training/attacks/ham_controls.jsonl" in names
    assert any(name.endswith("licenses/LICENSE") for name in metadata)


def test_wheel_contains_compiled_libraries_without_c_sources(wheel: Path) -> None:
    """Without a compiler for the fused operator the wheel is pure Python."""
    names = zipfile.ZipFile(wheel).namelist()
    assert sorted(name for name in names if "/native/" in name) == (LIBRARIES if COMPILED else [])
    tag = "py3-none-manylinux_2_17_x86_64" if COMPILED else "py3-none-any"
    assert wheel.name.endswith(f"-{tag}.whl")
    [metadata] = [name for name in names if name.endswith(".dist-info/WHEEL")]
    lines = zipfile.ZipFile(wheel).read(metadata).decode().splitlines()
    assert f"Tag: {tag}" in lines
    assert f"Root-Is-Purelib: {'false' if COMPILED else 'true'}" in lines


@pytest.mark.skipif(not COMPILED, reason="this test is for the libraries of x86-64")
@pytest.mark.parametrize("name", LIBRARIES)
def test_library_requires_only_glibc_of_wheel_tag(wheel: Path, name: str) -> None:
    """The tag allows glibc 2.17. Symbol versions are strings in the file."""
    library = zipfile.ZipFile(wheel).read(name)
    versions = {tuple(map(int, version.split(b"."))) for version in re.findall(rb"\0GLIBC_([\d.]+)(?=\0)", library)}
    assert versions
    assert max(versions) <= (2, 17)
    required_libraries = set(re.findall(rb"\0(lib[\w+-]+\.so[\d.]*)(?=\0)", library))
    assert required_libraries <= {b"libc.so.6", b"libm.so.6", b"libpthread.so.0"}


def test_wheel_classifies_without_training_stack_or_sockets(environment: Path, tiny_bundle: Path) -> None:
    code = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import socket
def refuse(*_, **__): raise AssertionError("a socket was opened")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
from spam_edge.cli import main
try:
    main()
finally:
    stray = {"torch", "transformers", "datasets", "optimum", "onnx", "huggingface_hub", "requests"} & set(sys.modules)
    assert not stray, stray
"""
    # -S skips the site-packages of this environment, so that only the linked packages can be imported.
    command = [sys.executable, "-I", "-S", "-c", code, str(environment), "classify", "--model", str(tiny_bundle)]
    messages = "WINNER!! Call 09061701461 to claim your prize\nsee you at 5 then\n"
    completed = subprocess.run(command, input=messages, capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stderr) == (0, "")
    assert [line.split("\t")[0] for line in completed.stdout.splitlines()] == ["SPAM", "HAM"]
