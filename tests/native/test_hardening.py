"""The libraries are compiled and linked with the hardening options of build.py."""

import platform
import struct
from pathlib import Path

import pytest

from spam_edge.runtime.custom_operator import FOLDER, library
from tests.support.vectors import use_vectors

pytestmark = pytest.mark.fused

DYNAMIC, STACK, RELRO = 2, 0x6474E551, 0x6474E552  # types of program headers of ELF
EXECUTABLE = 1
FLAGS, BIND_NOW = 30, 8


@pytest.fixture
def content(vectors: str) -> bytes:
    with use_vectors(vectors):
        return Path(library()).read_bytes()


def _headers(content: bytes) -> dict[int, tuple[int, int, int]]:
    """Return flags, offset and size of each program header, by type."""
    [start] = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    headers = (struct.unpack_from("<IIQQQQ", content, start + number * size) for number in range(count))
    return {kind: (flags, offset, length) for kind, flags, offset, _, _, length in headers}


@pytest.fixture
def text_content() -> bytes:
    [path] = FOLDER.glob(f"libspam_text_{platform.machine()}.so")
    return path.read_bytes()


def _assert_nonexecutable_stack_and_full_relro(content: bytes) -> None:
    headers = _headers(content)
    assert not headers[STACK][0] & EXECUTABLE
    assert RELRO in headers
    _, offset, length = headers[DYNAMIC]
    entries = dict(struct.iter_unpack("<QQ", content[offset : offset + length]))
    assert entries[FLAGS] & BIND_NOW


def test_operator_has_nonexecutable_stack_and_full_relro(content: bytes) -> None:
    _assert_nonexecutable_stack_and_full_relro(content)


def test_text_library_has_full_relro_and_protected_stack(text_content: bytes) -> None:
    _assert_nonexecutable_stack_and_full_relro(text_content)
    assert b"\0__stack_chk_fail\0" in text_content


def test_operator_has_stack_protector_and_fortified_buffers(content: bytes) -> None:
    assert b"\0__stack_chk_fail\0" in content
    assert b"\0__vsnprintf_chk\0" in content
