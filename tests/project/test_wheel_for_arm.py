"""The wheel for ARM64 is built on any machine, and its libraries keep to their instruction sets."""

import os
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VECTORS = ("dotprod", "i8mm", "neon")
TEXT = "libspam_text_aarch64.so"
# encodings, and their fixed bits; SDOT is that by element
PRODUCTS = {"sdot": (0x4F80E000, 0xFFC0F400), "smmla": (0x4E80A400, 0xFFE0FC00)}
PROGRAM_LOADED, EXECUTABLE = 1, 1  # type and flag of a segment
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ziglang") is None, reason="needs the compiler of the wheel ziglang"),
]


def _build(folder: Path, target: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    environment = os.environ | {"SPAM_EDGE_TARGET": target}
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done = _build(folder, "aarch64")
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(params=VECTORS)
def library(request: pytest.FixtureRequest, wheel: Path) -> tuple[str, bytes]:
    """An instruction set, and its library in the wheel."""
    return request.param, zipfile.ZipFile(wheel).read(f"spam_edge/native/libspam_encoder_{request.param}.so")


def _instructions(library: bytes) -> Iterator[int]:
    """Yield the words of all segments that can be executed."""
    [start] = struct.unpack_from("<Q", library, 32)
    size, count = struct.unpack_from("<HH", library, 54)
    for number in range(count):
        kind, flags, offset, _, _, length = struct.unpack_from("<IIQQQQ", library, start + number * size)
        if kind == PROGRAM_LOADED and flags & EXECUTABLE:
            yield from (word for [word] in struct.iter_unpack("<I", library[offset : offset + length // 4 * 4]))


def test_it_has_the_libraries_and_the_tag_of_arm64_alone(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    found = {Path(name).name for name in archive.namelist() if "/native/" in name}
    assert found == {TEXT, *(f"libspam_encoder_{vectors}.so" for vectors in VECTORS)}
    tag = "py3-none-manylinux_2_17_aarch64"
    assert wheel.name.endswith(f"-{tag}.whl")
    [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/WHEEL")]
    assert f"Tag: {tag}" in archive.read(metadata).decode().splitlines()


def _assert_is_for_arm64_and_the_c_library_of_its_tag(content: bytes) -> None:
    assert struct.unpack_from("<H", content, 18) == (183,)  # EM_AARCH64
    versions = {tuple(map(int, found.split(b"."))) for found in re.findall(rb"\0GLIBC_([\d.]+)(?=\0)", content)}
    assert versions == {(2, 17)}
    asked_for = set(re.findall(rb"\0((?:lib|ld-)[\w+-]+\.so[\d.]*)(?=\0)", content))
    assert asked_for <= {b"libc.so.6", b"libm.so.6", b"libpthread.so.0", b"ld-linux-aarch64.so.1"}


def test_a_library_is_for_arm64_and_the_c_library_of_its_tag(library: tuple[str, bytes]) -> None:
    _assert_is_for_arm64_and_the_c_library_of_its_tag(library[1])


def test_so_is_the_text_library(wheel: Path) -> None:
    content = zipfile.ZipFile(wheel).read(f"spam_edge/native/{TEXT}")
    _assert_is_for_arm64_and_the_c_library_of_its_tag(content)
    assert b"\0__stack_chk_fail\0" in content
    assert {0xD503233F, 0xD50323BF} <= set(_instructions(content))  # PACIASP, AUTIASP


def test_a_library_has_the_products_of_its_instruction_set_alone(library: tuple[str, bytes]) -> None:
    """A better instruction would end the process on the processors that the library is for."""
    vectors, content = library
    words = list(_instructions(content))
    assert len(words) > 1000
    found = {name for name, (bits, fixed) in PRODUCTS.items() for word in words if word & fixed == bits}
    assert found == {"neon": set(), "dotprod": {"sdot"}, "i8mm": {"smmla"}}[vectors]


def test_stack_buffers_and_returns_are_protected(library: tuple[str, bytes]) -> None:
    _, content = library
    assert b"\0__stack_chk_fail\0" in content
    assert b"\0__vsnprintf_chk\0" in content
    words = set(_instructions(content))
    assert {0xD503233F, 0xD50323BF} <= words  # PACIASP, AUTIASP: return addresses are signed


def test_an_architecture_without_libraries_is_refused(tmp_path: Path) -> None:
    done = _build(tmp_path, "riscv64")
    assert done.returncode != 0
    assert "SPAM_EDGE_TARGET is riscv64; set it to one of: x86_64, aarch64" in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())
