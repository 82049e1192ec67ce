"""Write the files of a job atomically; errors such as a full disk name the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from spam_edge.atomic import atomic_bytes, atomic_file
from spam_edge.errors import JobError
from spam_edge.readers.windows import display_name


@contextmanager
def write_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file of a job for writing, as :func:`atomic_bytes`; a link in its place is replaced, not followed.

    Raises:
        JobError: the file cannot be written.
    """
    with _named(path), atomic_bytes(path, follow_link=False) as stream:
        yield stream


@contextmanager
def write_text(path: Path, *, follow_link: bool = False) -> Iterator[IO[str]]:
    """Open a text file for writing, as :func:`atomic_file`; a link in its place is replaced, not followed.

    Raises:
        JobError: the file cannot be written.
    """
    with _named(path), atomic_file(path, follow_link=follow_link) as stream:
        yield stream


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # write errors do not carry the file name
        reason = error.strerror or str(error)
        raise JobError(
            f"{display_name(path)} cannot be written ({reason}); fix this and continue with --resume"
        ) from error
