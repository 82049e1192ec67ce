"""Folders in which a job keeps its files: nothing here follows a symbolic link."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from spam_edge.errors import JobError
from spam_edge.readers.windows import display_name

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)  # Windows has none
_HAS_FOLDERS = os.unlink in os.supports_dir_fd


def check_real_folder(path: Path) -> None:
    """Check that a path is a folder itself, or nothing.

    Raises:
        JobError: it is a symbolic link or no folder.
    """
    if path.is_symlink():
        raise JobError(
            f"{display_name(path)} is a symbolic link, which a job does not follow; remove it or name another --output"
        )
    if path.exists() and not path.is_dir():
        raise JobError(f"{display_name(path)} is not a folder; remove it or name another --output")


def check_only(folder: Path, known: Iterable[str], *, remedy: str, folders: Iterable[str] = ()) -> None:
    """Check that a folder holds only regular files and ``folders`` of known names.

    Raises:
        JobError: an entry has another name, or is something else, such as a link or a device.
    """
    names = set(known)
    for entry in sorted(os.scandir(folder), key=lambda found: found.name):
        if entry.name in folders:
            check_real_folder(folder / entry.name)
            continue
        if entry.name not in names:
            raise JobError(f"{display_name(folder)} holds {entry.name!r}, which is not from a job; {remedy}")
        if not entry.is_file(follow_symlinks=False):
            raise JobError(f"{display_name(folder)} holds {entry.name!r}, which is not a regular file; {remedy}")


def is_regular(path: Path) -> bool:
    """Whether a path is a regular file itself."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files of a folder that exist; the folder is opened once, so that nobody can put another in its place.

    Raises:
        JobError: a file cannot be removed, or a name leads out of the folder.
    """
    with _opened(folder) as descriptor:
        for name in names:
            if name != Path(name).name:
                raise JobError(f"{name!r} is no file of {display_name(folder)}; name another --output")
            try:
                os.unlink(folder / name if descriptor is None else name, dir_fd=descriptor)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise JobError(
                    f"{display_name(folder / name)} cannot be removed ({error.strerror}); remove it"
                ) from error


def open_file(path: Path) -> IO[bytes]:
    """Open a file for reading.

    Raises:
        OSError: it cannot be read, or is a link.
    """
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NO_FOLLOW))


def open_lock(folder: Path, name: str) -> int:
    """Open a lock file, which is created but never truncated, and return its descriptor.

    Raises:
        OSError: it cannot be opened, or is a link.
    """
    with _opened(folder) as descriptor:
        path = folder / name if descriptor is None else name
        return os.open(path, os.O_RDWR | os.O_CREAT | _NO_FOLLOW, 0o666, dir_fd=descriptor)


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    if not _HAS_FOLDERS:
        yield None
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _NO_FOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
