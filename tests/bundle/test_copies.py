"""Private copies of files."""

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
    """Each kind of copy."""
    if request.param == "without /proc":
        monkeypatch.setattr(copies, "_DESCRIPTORS", "/nowhere")
    return request.param != "without"


def copy_of(path: Path, most: int | None = None, *, with_path: bool = True) -> PrivateCopy:
    with io.FileIO(path) as stream:
        return PrivateCopy.of(stream, most, with_path=with_path)


@pytest.mark.parametrize("size", [0, 1, 2**22 - 1, 2**22, 2**22 + 1, 9_000_000])
def test_it_has_the_bytes_and_their_hash(with_path: bool, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    copy = copy_of(tmp_path / "file", with_path=with_path)
    assert (bytes(copy.content), copy.sha256) == (content, hashlib.sha256(content).hexdigest())
    assert (copy.path is not None) == (with_path and sys.platform == "linux" and copies._DESCRIPTORS != "/nowhere")
    if copy.path is not None:
        assert Path(copy.path).read_bytes() == content


@given(content=st.binary(max_size=50), most=st.integers(0, 60), with_path=st.booleans())
def test_it_ends_at_the_limit(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, most: int, with_path: bool
) -> None:
    path = tmp_path_factory.mktemp("copies") / "file"
    path.write_bytes(content)
    assert bytes(copy_of(path, most, with_path=with_path).content) == content[:most]


@pytest.mark.parametrize("change", ["overwrite", "truncate", "remove"])
def test_the_file_does_not_matter_afterwards(with_path: bool, tmp_path: Path, change: str) -> None:
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
def test_nobody_can_write_into_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    copy = copy_of(tmp_path / "file")
    assert copy.path is not None
    for change in (lambda stream: stream.write(b"other"), lambda stream: stream.truncate(0)):
        with open(copy.path, "r+b", buffering=0) as stream, pytest.raises(OSError) as error:  # noqa: PTH123
            change(stream)
        assert error.value.errno == errno.EPERM


@linux
def test_its_descriptor_is_closed_with_it_but_a_view_stays_valid(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    copy = copy_of(tmp_path / "file")
    path, view = copy.path, memoryview(copy.content)
    assert path is not None
    assert "spam-edge" in os.readlink(path)  # noqa: PTH115
    del copy
    assert not os.path.lexists(path)
    assert bytes(view) == b"content"
