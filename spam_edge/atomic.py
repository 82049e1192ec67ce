"""Atomic writes of files and directories.

Data is written to a temporary sibling on the same file system, a partial, and renamed at the end. An interrupted write
leaves the previous version in place. The writer holds a lock on its partial, so that the next one can remove those of
dead processes.
"""

import io
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PARTIAL = re.compile(r"\.(.+)\.[a-z0-9_]{8}\.partial", re.DOTALL)


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


def written_name(partial: str) -> str | None:
    """Return the name of the file that a partial would have become, or None if the name is not that of a partial."""
    found = _PARTIAL.fullmatch(partial)
    return found[1] if found else None


def remove_partials(path: Path) -> None:
    """Remove the partials of ``path`` whose processes are dead."""
    for partial in path.parent.iterdir():
        if written_name(partial.name) == path.name:
            remove_dead(partial)


def remove_dead(partial: Path) -> None:
    """Remove a partial, a file or a directory, unless its process is alive or it is no such thing."""
    with suppress(OSError):  # alive, or not ours
        status = partial.lstat()
        if stat.S_ISDIR(status.st_mode):
            with _locked(partial, os.O_RDONLY):
                shutil.rmtree(partial)
        elif stat.S_ISREG(status.st_mode):
            with _locked(partial, os.O_RDWR):
                partial.unlink()


@contextmanager
def _locked(partial: Path, access: int) -> Iterator[None]:
    if fcntl is None:  # the file system refuses to remove an open file
        yield
        return
    descriptor = os.open(partial, access | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


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
        descriptor, partial = _begin_file(path)
    held = os.dup(descriptor)  # keeps the lock until the file has its name
    try:
        with _opened(descriptor, path, **text) as stream:
            yield stream
            stream.flush()
            with _naming(path):
                os.fsync(stream.fileno())
        with _naming(path):
            if fcntl is None:
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


def _begin_file(path: Path) -> tuple[int, Path]:
    """Create a partial and lock it."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        if _lock(descriptor, name):
            return descriptor, Path(name)
        os.close(descriptor)


def _lock(descriptor: int, name: str) -> bool:
    """Lock a new partial; return False if another process took it for that of a dead one before it was locked."""
    if fcntl is None:
        return True
    with suppress(OSError):  # file systems without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(name))
    except FileNotFoundError:
        return False


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
    partial, held = _begin_directory(path)
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


def _begin_directory(path: Path) -> tuple[Path, int | None]:
    """Create a partial and lock it."""
    while True:
        name = tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        if fcntl is None:
            return Path(name), None
        with suppress(FileNotFoundError):
            held = os.open(name, os.O_RDONLY)
            if _lock(held, name):
                return Path(name), held
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
