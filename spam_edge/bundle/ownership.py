"""Whether somebody else can write to what a path leads through, by owner and mode bits."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_MOST_LINKS = 40


def writable_by_others(path: Path) -> Path | None:
    """Return the first part of a path that somebody else than this user and root owns or can write to.

    The working directory is checked, and everything that leads from it to the path: folders, symbolic links and the
    folders of their targets. A group that has no other member, as many systems create for each user, is nobody else.

    Args:
        path: a relative path that exists.

    Returns:
        A part of the path, or None; None on Windows.
    """
    if os.name == "nt":
        return None
    home = Path.cwd()
    passed = [part for part in _passed(home, path) if part not in home.parents]
    return next((part for part in [home, *passed] if _is_foreign(part, is_near=home in (part, *part.parents))), None)


def _passed(folder: Path, path: Path) -> Iterator[Path]:
    """Yield the absolute paths that opening a path in a folder passes."""
    left, links = list(reversed(path.parts)), 0
    while left:
        part = left.pop()
        if part == os.pardir:
            folder = folder.parent
            continue
        reached = folder / part  # a root begins anew
        yield reached
        if not reached.is_symlink():
            folder = reached
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(reached))
        left += reversed(reached.readlink().parts)


def _is_foreign(path: Path, *, is_near: bool) -> bool:
    """Return whether somebody else owns a path itself or can write to it.

    Only owners move entries of a sticky folder such as ``/tmp``, and these are checked, too. That does not do for the
    working directory and what is in it (``is_near``), where somebody else may create what does not exist.
    """
    status = path.lstat()
    if status.st_uid not in (0, os.geteuid()):
        return True
    if stat.S_ISLNK(status.st_mode):
        return False  # the mode bits of a link mean nothing
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX and not is_near:
        return False
    return bool(status.st_mode & stat.S_IWOTH) or (
        bool(status.st_mode & stat.S_IWGRP) and not _is_own_group(status.st_gid)
    )


def _is_own_group(number: int) -> bool:
    """Return whether a group belongs to this user or root alone: it has the user's name and no other member."""
    import grp  # noqa: PLC0415 - missing on Windows, and rarely needed
    import pwd  # noqa: PLC0415

    try:
        group = grp.getgrgid(number)
        names = {pwd.getpwuid(user).pw_name for user in (0, os.geteuid())}
    except KeyError:
        return False
    return group.gr_name in names and names.issuperset(group.gr_mem)
