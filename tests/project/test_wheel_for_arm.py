"""The ARM64 wheel can be built on any machine, and its libraries use only their instruction sets."""

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
# encoding and mask of fixed bits; SDOT (by element)
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
    completed = _build(folder, "aarch64")
    assert completed.returncode == 0, completed.stdout + completed.stderr
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


def test_wheel_has_only_arm64_libraries_and_tag(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    libraries = {Path(name).name for name in archive.namelist() if "/native/" in name}
    assert libraries == {TEXT, *(f"libspam_encoder_{vectors}.so" for vectors in VECTORS)}
    tag = "py3-none-manylinux_2_17_aarch64"
    assert wheel.name.endswith(f"-{tag}.whl")
    [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/WHEEL")]
    assert f"Tag: {tag}" in archive.read(metadata).decode().splitlines()


def _assert_targets_arm64_and_tagged_glibc(content: bytes) -> None:
    assert struct.unpack_from("<H", content, 18) == (183,)  # EM_AARCH64
    versions = {tuple(map(int, version.split(b"."))) for version in re.findall(rb"\0GLIBC_([\d.]+)(?=\0)", content)}
    assert versions == {(2, 17)}
    required_libraries = set(re.findall(rb"\0((?:lib|ld-)[\w+-]+\.so[\d.]*)(?=\0)", content))
    assert required_libraries <= {b"libc.so.6", b"libm.so.6", b"libpthread.so.0", b"ld-linux-aarch64.so.1"}


def test_operator_library_targets_arm64_and_tagged_glibc(library: tuple[str, bytes]) -> None:
    _assert_targets_arm64_and_tagged_glibc(library[1])


def test_text_library_targets_arm64_and_is_hardened(wheel: Path) -> None:
    content = zipfile.ZipFile(wheel).read(f"spam_edge/native/{TEXT}")
    _assert_targets_arm64_and_tagged_glibc(content)
    assert b"\0__stack_chk_fail\0" in content
    assert {0xD503233F, 0xD50323BF} <= set(_instructions(content))  # PACIASP, AUTIASP


def test_library_uses_only_products_of_its_instruction_set(library: tuple[str, bytes]) -> None:
    """An instruction of a newer set would end the process on the library's processors."""
    vectors, content = library
    words = list(_instructions(content))
    assert len(words) > 1000
    used = {name for name, (bits, fixed) in PRODUCTS.items() for word in words if word & fixed == bits}
    assert used == {"neon": set(), "dotprod": {"sdot"}, "i8mm": {"smmla"}}[vectors]


def test_operator_library_protects_stack_buffers_and_returns(library: tuple[str, bytes]) -> None:
    _, content = library
    assert b"\0__stack_chk_fail\0" in content
    assert b"\0__vsnprintf_chk\0" in content
    words = set(_instructions(content))
    assert {0xD503233F, 0xD50323BF} <= words  # PACIASP, AUTIASP: return addresses are signed


def test_unsupported_target_architecture_is_refused(tmp_path: Path) -> None:
    completed = _build(tmp_path, "riscv64")
    assert completed.returncode != 0
    assert "SPAM_EDGE_TARGET is riscv64; set it to one of: x86_64, aarch64" in completed.stdout + completed.stderr
    assert not list(tmp_path.iterdir())
