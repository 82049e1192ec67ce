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
# Shared libraries of the packages lie in folders beside them.
BESIDE = ("numpy.libs", "onnxruntime.libs", "tokenizers.libs")
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
        for beside in BESIDE:
            if (package.parent / beside).exists() and not (folder / beside).exists():
                (folder / beside).symlink_to(package.parent / beside)
    for metadata in Path(find_spec("numpy").origin).parents[1].glob("*.dist-info"):  # type: ignore[union-attr,arg-type]
        if metadata.name.split("-")[0].lower() in RUNTIME:
            (folder / metadata.name).symlink_to(metadata)
    return folder


def test_what_is_in_the_wheel(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    metadata = {name for name in names if ".dist-info/" in name}
    assert {name.split("/")[0] for name in set(names) - metadata} == {"spam_edge"}
    assert "spam_edge/py.typed" in names
    assert "spam_edge/training/__main__.py" in names
    assert "spam_edge/training/attacks/ham_controls.jsonl" in names
    assert any(name.endswith("licenses/LICENSE") for name in metadata)


def test_c_is_compiled_and_does_not_travel(wheel: Path) -> None:
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
def test_a_library_asks_for_no_more_than_its_tag_says(wheel: Path, name: str) -> None:
    """Requires only the C library, 2.17 or older; the symbol versions are strings in the file."""
    library = zipfile.ZipFile(wheel).read(name)
    versions = {tuple(map(int, found.split(b"."))) for found in re.findall(rb"\0GLIBC_([\d.]+)(?=\0)", library)}
    assert versions
    assert max(versions) <= (2, 17)
    asked_for = set(re.findall(rb"\0(lib[\w+-]+\.so[\d.]*)(?=\0)", library))
    assert asked_for <= {b"libc.so.6", b"libm.so.6", b"libpthread.so.0"}


def test_it_classifies_without_torch_and_without_sockets(environment: Path, tiny_bundle: Path) -> None:
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
    done = subprocess.run(command, input=messages, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["SPAM", "HAM"]
