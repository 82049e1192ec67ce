"""Private copies of files: content, checksum, size limit and isolation from later changes."""

import errno
import hashlib
import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.bundle import copies
from spam_edge.bundle.copies import PrivateCopy

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs sealed memory files")


@pytest.fixture(params=["with a path", "without", "without /proc"])
def with_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the copy has a path; runs once more on a system without ``/proc``."""
    if request.param == "without /proc":
        monkeypatch.setattr(copies, "_DESCRIPTORS", "/nowhere")
    return request.param != "without"


def copy_of(path: Path, limit: int | None = None, *, with_path: bool = True) -> PrivateCopy:
    with io.FileIO(path) as stream:
        return PrivateCopy.of(stream, limit, with_path=with_path)


@pytest.mark.parametrize("size", [0, 1, 2**22 - 1, 2**22, 2**22 + 1, 9_000_000])
def test_private_copy_has_content_and_sha256_of_file(with_path: bool, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    copy = copy_of(tmp_path / "file", with_path=with_path)
    assert (bytes(copy.content), copy.sha256) == (content, hashlib.sha256(content).hexdigest())
    assert (copy.path is not None) == (with_path and sys.platform == "linux" and copies._DESCRIPTORS != "/nowhere")
    if copy.path is not None:
        assert Path(copy.path).read_bytes() == content


@given(content=st.binary(max_size=50), limit=st.integers(0, 60), with_path=st.booleans())
def test_private_copy_stops_at_size_limit(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, limit: int, with_path: bool
) -> None:
    path = tmp_path_factory.mktemp("copies") / "file"
    path.write_bytes(content)
    assert bytes(copy_of(path, limit, with_path=with_path).content) == content[:limit]


@pytest.mark.parametrize("change", ["overwrite", "truncate", "remove"])
def test_later_changes_of_file_do_not_affect_copy(with_path: bool, tmp_path: Path, change: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 100_000)
    copy = copy_of(path, with_path=with_path)
    if change == "overwrite":
        path.write_bytes(b"b" * 100_000)
    elif change == "truncate":
        os.truncate(path, 0)
    else:
        path.unlink()
    assert bytes(copy.content) == b"a" * 100_000


@linux
def test_memory_file_of_copy_is_sealed_against_writing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    copy = copy_of(tmp_path / "file")
    assert copy.path is not None
    for change in (lambda stream: stream.write(b"other"), lambda stream: stream.truncate(0)):
        with open(copy.path, "r+b", buffering=0) as stream, pytest.raises(OSError) as error:  # noqa: PTH123
            change(stream)
        assert error.value.errno == errno.EPERM


@linux
def test_deleted_copy_closes_descriptor_but_keeps_views_valid(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    copy = copy_of(tmp_path / "file")
    path, view = copy.path, memoryview(copy.content)
    assert path is not None
    assert "spam-edge" in os.readlink(path)  # noqa: PTH115
    del copy
    assert not os.path.lexists(path)
    assert bytes(view) == b"content"
