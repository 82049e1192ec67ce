"""Copies of files in memory that no other process can change, truncate or replace."""

import hashlib
import io
import mmap
import os
import sys
import weakref
from typing import Self

_PIECE = 2**22  # bytes per write into a memory file
_DESCRIPTORS = "/proc/self/fd"
_OWN = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}


class PrivateCopy:
    """The bytes of a file at one moment, shared with forked processes.

    Attributes:
        content: the bytes; as long as a view of them exists, they do.
        sha256: their sha256 as 64 hex digits.
        path: path in this process that opens the same bytes, for libraries that would copy them; None if it has none.
    """

    def __init__(self, content: bytes | mmap.mmap, sha256: str, path: str | None = None) -> None:
        self.content = content
        self.sha256 = sha256
        self.path = path

    @classmethod
    def of(cls, stream: io.FileIO, most: int | None = None, *, with_path: bool = False) -> Self:
        """Copy and hash the rest of a stream.

        Args:
            stream: the open file.
            most: maximum number of bytes; None copies all.
            with_path: give the copy a path, on Linux. It then lies in a sealed memory file, whose pages cost more time
                and cannot be given back.
        """
        if with_path and sys.platform == "linux" and os.path.isdir(_DESCRIPTORS):  # noqa: PTH112 - faster at start-up
            return cls._sealed(stream, most)
        content = _read(stream, most)
        return cls(content, hashlib.sha256(content).hexdigest())

    def give_back(self, start: int, end: int) -> None:
        """Give the pages between two places back to the system, where it takes them. These bytes are lost.

        A copy with a path keeps them.
        """
        if self.path is None and isinstance(self.content, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            first, last = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
            if first < last:
                self.content.madvise(mmap.MADV_DONTNEED, first, last - first)

    @classmethod
    def _sealed(cls, stream: io.FileIO, most: int | None) -> Self:
        import fcntl  # noqa: PLC0415 - missing on Windows

        descriptor = os.memfd_create("spam-edge", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            sha256, size = _copy(stream, descriptor, most)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
            content = mmap.mmap(descriptor, size, prot=mmap.PROT_READ) if size else b""
        except BaseException:
            os.close(descriptor)
            raise
        copy = cls(content, sha256, f"{_DESCRIPTORS}/{descriptor}")
        weakref.finalize(copy, os.close, descriptor)
        return copy


def _read(stream: io.FileIO, most: int | None) -> bytes | mmap.mmap:
    """Read the rest of a stream, as long as it is now, into pages of its own."""
    size = max(0, os.fstat(stream.fileno()).st_size - stream.tell())
    size = size if most is None else min(size, most)
    if not size:
        return b""
    count = 0
    try:
        content = mmap.mmap(-1, size, **_OWN)
    except OSError as error:
        raise MemoryError(f"no memory for {size:,} bytes") from error
    with memoryview(content) as view:
        # The GIL is waited for after each read, while other threads import: few and large ones are faster.
        while count < size and (more := stream.readinto(view[count:])):
            count += more
    return content if count == size else content[:count]


def _copy(stream: io.FileIO, descriptor: int, most: int | None) -> tuple[str, int]:
    """Copy a stream into a file; return the sha256 and the number of bytes."""
    digest, piece, size = hashlib.sha256(), memoryview(bytearray(_PIECE)), 0
    while count := stream.readinto(piece if most is None else piece[: most - size]):
        digest.update(piece[:count])
        place = 0
        while place < count:
            place += os.write(descriptor, piece[place:count])
        size += count
    return digest.hexdigest(), size
