"""Atomic writes of directories."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spam_edge.atomic.partials import begin_directory, new_mode, remove_partials


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
        partial.chmod(new_mode(0o777))
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
