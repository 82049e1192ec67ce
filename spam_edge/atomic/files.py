"""Atomic writes of files."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from spam_edge.atomic.partials import LOCKS, begin_file, new_mode, remove_partials


def atomic_file(
    path: Path, *, encoding: str = "utf-8", newline: str = "", follow_link: bool = True
) -> AbstractContextManager[IO[str]]:
    """Open a temporary text file that replaces ``path`` on success and is deleted on failure.

    A device or named pipe cannot be replaced and is written directly. Errors carry the name of the file.

    Args:
        path: the file.
        encoding: its encoding.
        newline: as in :func:`open`.
        follow_link: replace the target of a symbolic link, and remove the partials of dead processes. Otherwise
            whatever is at ``path`` is replaced, a link itself.
    """
    return _replacing(path, follow_link=follow_link, encoding=encoding, newline=newline)


def atomic_bytes(path: Path, *, follow_link: bool = True) -> AbstractContextManager[IO[bytes]]:
    """Open a binary file that replaces ``path``; see :func:`atomic_file`."""
    return _replacing(path, follow_link=follow_link)


@contextmanager
def _replacing(path: Path, *, follow_link: bool, **text: str) -> Iterator[IO[Any]]:
    if follow_link:
        if path.exists() and not path.is_file():
            with _naming(path):
                device = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
            with _opened(device, path, **text) as stream:
                yield stream
            return
        path = path.resolve()
        with _naming(path):
            remove_partials(path)
    with _naming(path):
        descriptor, partial = begin_file(path)
    held = os.dup(descriptor)  # keeps the lock until the file has its name
    try:
        with _opened(descriptor, path, **text) as stream:
            yield stream
            stream.flush()
            with _naming(path):
                os.fsync(stream.fileno())
        with _naming(path):
            if not LOCKS:
                os.close(held)
            partial.chmod(_mode_for(path))
            partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    finally:
        with suppress(OSError):
            os.close(held)
    _sync_folder(path.parent)


def _opened(descriptor: int, path: Path, **text: str) -> IO[Any]:
    binary = io.BufferedWriter(_NamedFile(descriptor, path))
    return io.TextIOWrapper(binary, **text) if text else binary  # type: ignore[arg-type]


class _NamedFile(io.FileIO):
    """A file whose write errors carry the name of the file to be."""

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(descriptor, "wb")
        self._path = path

    def write(self, data: Any) -> int:
        """Write bytes, as :meth:`io.FileIO.write`."""
        with _naming(self._path):
            return super().write(data)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the name of the file into errors: those of writes have none, others have that of the partial."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _sync_folder(path: Path) -> None:
    # Make the rename durable across a power failure. Windows and some network file systems do not support it.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _mode_for(path: Path) -> int:
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            return mode & 0o777
    return new_mode(0o666)
