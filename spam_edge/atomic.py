"""Files and folders that appear under their final name only when they are whole.

Everything is written beside its destination, on the same file system, and renamed at the end. What
stood there before stays until that moment and survives any interruption.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO, Any


def atomic_file(path: Path, *, encoding: str = "utf-8", newline: str = "") -> AbstractContextManager[IO[str]]:
    """Open a text file that replaces ``path`` when the block ends well and vanishes when it does not.

    A device or named pipe cannot be replaced and is written to as it is.
    """
    return _replacing(path, "w", encoding=encoding, newline=newline)


def atomic_bytes(path: Path) -> AbstractContextManager[IO[bytes]]:
    """Open a file of bytes that replaces ``path`` as :func:`atomic_file` does."""
    return _replacing(path, "wb")


def remove_partials(path: Path) -> None:
    """Remove what :func:`atomic_file` left beside ``path`` when it was killed; nobody else may be writing it."""
    for partial in path.parent.glob(f".{escape(path.name)}.*.partial"):
        partial.unlink(missing_ok=True)


@contextmanager
def _replacing(path: Path, mode: str, **text: str) -> Iterator[IO[Any]]:
    if path.exists() and not path.is_file():
        with path.open(mode, **text) as stream:  # type: ignore[call-overload]
            yield stream
        return
    path = path.resolve()  # a link keeps its place, its target is replaced
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, mode, **text) as stream:  # type: ignore[call-overload]
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.chmod(_mode_for(path))
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``path`` when the block ends well.

    The folder that stood there is removed only after the new one has its name.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    try:
        yield partial
        partial.chmod(0o777 & ~_umask())
        replace_directory(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def is_replaceable(path: Path, marker: str) -> bool:
    """Whether nothing of anybody else's is lost when ``path`` is replaced: it is free, empty, or holds ``marker``."""
    return not path.exists() or (path / marker).is_file() or (path.is_dir() and not any(path.iterdir()))


def replace_directory(new: Path, path: Path) -> None:
    """Give the finished folder ``new`` the name ``path``; on failure what stood at ``path`` is put back."""
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
    """Undo a :func:`replace_directory` that was killed between its two renames."""
    previous = path.with_name(f".{path.name}.previous")
    if not previous.exists():
        return
    if path.exists():
        shutil.rmtree(previous)
    else:
        previous.rename(path)


def _sync_folder(path: Path) -> None:
    # Only then does the name outlive a power cut, too. Windows has no such call, and some network drives refuse it.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _mode_for(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_mode & 0o777
    return 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
