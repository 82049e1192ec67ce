"""Atomic writes of files and directories.

Data is written to a partial, see :mod:`spam_edge.partials`, and renamed at the end. An interrupted write leaves the
previous version in place.
"""

import io
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from spam_edge.partials import LOCKS, begin_directory, begin_file, remove_partials


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


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield an empty temporary directory that replaces ``path`` on success and is deleted on failure.

    The previous directory is removed after the new one is in place. An error without a file name gets that of ``path``.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_partials(path)
    partial, held = begin_directory(path)
    try:
        yield partial
        partial.chmod(0o777 & ~_umask())
        replace_directory(partial, path)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        if held is not None:
            os.close(held)


def is_replaceable(path: Path, marker: str) -> bool:
    """Return whether ``path`` is safe to overwrite: it does not exist, is empty or contains the file ``marker``."""
    return not path.exists() or (path / marker).is_file() or (path.is_dir() and not any(path.iterdir()))


def replace_directory(new: Path, path: Path) -> None:
    """Rename the directory ``new`` to ``path``; restore the previous ``path`` on failure."""
    previous = path.with_name(f".{path.name}.previous")
    restore_directory(path)
    if path.exists():
        path.rename(previous)
    try:
        new.rename(path)
    except BaseException:
        restore_directory(path)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def restore_directory(path: Path) -> None:
    """Recover from a :func:`replace_directory` that was killed between its two renames."""
    previous = path.with_name(f".{path.name}.previous")
    if not previous.exists():
        return
    if path.exists():
        shutil.rmtree(previous)
    else:
        previous.rename(path)


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
    return 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
