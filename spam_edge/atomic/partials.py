"""Partials: temporary siblings of a file or directory, on the same file system, that take its name at the end.

The writer of a partial holds a lock on it, so that the next writer can remove those of dead processes.
"""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCKS = fcntl is not None
"""Whether this system has locks. Without them its file systems refuse to rename or remove an open file."""
_PARTIAL = re.compile(r"\.(.+)\.[a-z0-9_]{8}\.partial", re.DOTALL)


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


def begin_file(path: Path) -> tuple[int, Path]:
    """Create a partial of a file and lock it.

    Returns:
        A descriptor for reading and writing, which holds the lock until it is closed, and the partial.
    """
    while True:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        if _lock(descriptor, name):
            return descriptor, Path(name)
        os.close(descriptor)


def begin_directory(path: Path) -> tuple[Path, int | None]:
    """Create a partial of a directory and lock it.

    Returns:
        The partial, and a descriptor, which holds the lock until it is closed; None without locks.
    """
    while True:
        name = tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        if fcntl is None:
            return Path(name), None
        with suppress(FileNotFoundError):
            held = os.open(name, os.O_RDONLY)
            if _lock(held, name):
                return Path(name), held
            os.close(held)


def new_mode(most: int) -> int:
    """Return the permissions of a new file or directory: of ``most``, those that the umask leaves."""
    mask = os.umask(0)
    os.umask(mask)
    return most & ~mask


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
