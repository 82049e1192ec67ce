"""Whether somebody else can write to a folder, by owner and mode bits."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path


def writable_by_others(paths: Iterable[Path]) -> Path | None:
    """Return the first path that somebody else than this user and root owns or can write to; None on Windows.

    A symbolic link and its target are both checked. A group that has no other member, as many systems create for each
    user, is nobody else.
    """
    if os.name == "nt":
        return None
    return next((path for path in paths if _is_foreign(path.lstat()) or _is_foreign(path.stat())), None)


def _is_foreign(status: os.stat_result) -> bool:
    if status.st_uid not in (0, os.geteuid()):
        return True
    if stat.S_ISLNK(status.st_mode):
        return False  # the mode bits of a link mean nothing
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
