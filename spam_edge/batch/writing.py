"""Files of a job: there when they are whole, and named where they cannot be written, as on a full disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from spam_edge.atomic import atomic_bytes, atomic_file
from spam_edge.errors import JobError
from spam_edge.records import display_name


@contextmanager
def write_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file of bytes as :func:`atomic_bytes` does.

    Raises:
        JobError: it cannot be written.
    """
    with _named(path), atomic_bytes(path) as stream:
        yield stream


@contextmanager
def write_text(path: Path) -> Iterator[IO[str]]:
    """Open a text file as :func:`atomic_file` does.

    Raises:
        JobError: it cannot be written.
    """
    with _named(path), atomic_file(path) as stream:
        yield stream


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # of a write it does not know the file
        reason = error.strerror or str(error)
        raise JobError(
            f"{display_name(path)} cannot be written ({reason}); see to that and go on with --resume"
        ) from error
