"""Locate a bundle, and read and verify its files against the manifest."""

import errno
import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from spam_edge.bundle.copies import PrivateCopy
from spam_edge.bundle.hashes import sha256_of_stream
from spam_edge.bundle.manifest import MANIFEST_NAME, BundleFile, Manifest
from spam_edge.bundle.ownership import writable_by_others
from spam_edge.errors import BundleIntegrityError, BundleNotFoundError, ManifestError, SpamEdgeError

ENVIRONMENT_VARIABLE = "SPAM_EDGE_MODEL"
DEFAULT_LOCATION = Path("artifacts/bundle")
TOKENIZER_NAME = "tokenizer.json"
_REMEDY = "export the bundle again or copy it whole"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model directory with its manifest.

    Attributes:
        path: absolute path of the directory.
        manifest: the parsed ``manifest.json``.
        digest: sha256 of ``manifest.json``. It identifies the bundle, since the manifest holds the checksum of every
            other file.
    """

    path: Path
    manifest: Manifest
    digest: str

    @classmethod
    def find(cls, location: str | os.PathLike[str] | None = None, *, digest: str | None = None) -> Self:
        """Open the bundle at ``location``, else at ``$SPAM_EDGE_MODEL``, else at ``./artifacts/bundle``.

        Only the first location that is set is tried. The last one must be out of reach of other users.

        Args:
            location: path of the bundle.
            digest: required digest; None takes any.

        Raises:
            BundleNotFoundError: that location has no manifest.
            ManifestError: the manifest is invalid.
            BundleIntegrityError: the bundle has another digest, or other users can write to the default location.
        """
        path, origin = _locate(location)
        manifest_path = path / MANIFEST_NAME
        if not _exists(manifest_path, Path.is_file):
            is_file = "is a file, not a folder" if _exists(path, Path.is_file) else "does not exist"
            missing = f"has no {MANIFEST_NAME}" if _exists(path, Path.is_dir) else is_file
            raise BundleNotFoundError(
                f"no bundle: {path} ({origin}) {missing}; run `make train export`, "
                f"or set --model or {ENVIRONMENT_VARIABLE} to the path of a bundle"
            )
        if is_default(location):
            _require_own(manifest_path)
        try:
            with _open(manifest_path) as stream:
                content = stream.readall()
        except OSError as error:
            raise ManifestError(f"{manifest_path} cannot be read ({error.strerror}); {_REMEDY}") from error
        found = cls(path.resolve(), Manifest.parse(content, manifest_path), hashlib.sha256(content).hexdigest())
        found.require_digest(digest)
        return found

    def require_digest(self, digest: str | None) -> None:
        """Compare the digest with the required one; None requires none.

        Raises:
            BundleIntegrityError: they differ.
        """
        if digest is not None and digest.lower() != self.digest:
            raise BundleIntegrityError(
                f"{self.path} has the digest {self.digest}, not {digest.lower()}; set the path or the digest of the "
                "other bundle"
            )

    def file(self, name: str) -> Path:
        """Return the absolute path of a file of the bundle."""
        return self.path / name

    def read(self, name: str, *, verify: bool = True) -> bytes:
        """Return the bytes of a file; see :meth:`copy`."""
        return bytes(self.copy(name, verify=verify).content)

    def copy(self, name: str, *, verify: bool = True, with_path: bool = False) -> PrivateCopy:
        """Copy a file into memory, once; with ``verify`` size and sha256 of the copy are those of the manifest.

        ``with_path`` is that of :meth:`PrivateCopy.of`.

        Raises:
            BundleIntegrityError: the file is missing, unlisted, unreadable or changed.
        """
        with self._open_listed(name) as (stream, expected):
            if not verify:
                return self._copied(name, stream, None, with_path=with_path)
            copy = self._copied(name, stream, expected.bytes + 1, with_path=with_path)
            self._compare(name, expected, BundleFile(copy.sha256, len(copy.content)))
            return copy

    def _copied(self, name: str, stream: io.FileIO, most: int | None, *, with_path: bool) -> PrivateCopy:
        try:
            return PrivateCopy.of(stream, most, with_path=with_path)
        except MemoryError as error:
            raise SpamEdgeError(f"{self.file(name)} does not fit into memory; use a smaller model") from error

    def verify(self, names: Iterable[str] | None = None) -> None:
        """Verify size and sha256 of files against the manifest; default: all files.

        Raises:
            BundleIntegrityError: a file is missing, unlisted, unreadable or changed.
        """
        for name in self.manifest.files if names is None else names:
            with self._open_listed(name) as (stream, expected):
                size = os.fstat(stream.fileno()).st_size
                if size != expected.bytes:  # do not hash a terabyte to find that out
                    self._compare(name, expected, replace(expected, bytes=size))
                self._compare(name, expected, BundleFile(sha256_of_stream(stream), stream.tell()))

    @contextmanager
    def _open_listed(self, name: str) -> Iterator[tuple[io.FileIO, BundleFile]]:
        path = self.file(name)
        expected = self.manifest.files.get(name)
        if expected is None:
            raise BundleIntegrityError(f"{path} is not listed in {MANIFEST_NAME}; {_REMEDY}")
        try:
            with _open(path) as stream:
                yield stream, expected
        except FileNotFoundError as error:
            raise BundleIntegrityError(f"{path} is missing although {MANIFEST_NAME} lists it; {_REMEDY}") from error
        except OSError as error:
            raise BundleIntegrityError(f"{path} cannot be read ({error.strerror}); {_REMEDY}") from error

    def _compare(self, name: str, expected: BundleFile, found: BundleFile) -> None:
        path = self.file(name)
        if found.bytes > expected.bytes:
            raise BundleIntegrityError(f"{path} has more bytes, expected {expected.bytes}; {_REMEDY}")
        if found.bytes < expected.bytes:
            raise BundleIntegrityError(f"{path} has {found.bytes} bytes, expected {expected.bytes}; {_REMEDY}")
        if found.sha256 != expected.sha256:
            raise BundleIntegrityError(f"{path} was changed after the export (sha256 differs); {_REMEDY}")


def is_default(location: str | os.PathLike[str] | None) -> bool:
    """Whether :meth:`Bundle.find` takes the default location for this one."""
    return location is None and not os.environ.get(ENVIRONMENT_VARIABLE)


def _exists(path: Path, check: Callable[[Path], bool]) -> bool:
    """Apply ``Path.is_file`` or ``Path.is_dir``. A name that the file system cannot have does not exist."""
    try:
        return check(path)
    except (OSError, ValueError):
        return False


def _locate(location: str | os.PathLike[str] | None) -> tuple[Path, str]:
    if location is not None:
        return Path(location), "given by the caller"
    if is_default(location):
        return DEFAULT_LOCATION, "the default location"
    return Path(os.environ[ENVIRONMENT_VARIABLE]), f"from {ENVIRONMENT_VARIABLE}"


def _require_own(manifest: Path) -> None:
    """Check the owners and modes of the default manifest and of all that leads to it from the working directory."""
    foreign = writable_by_others(manifest)
    if foreign is not None:
        raise BundleIntegrityError(
            f"{manifest.parent} is not loaded by default: other users own or can write to {foreign.absolute()}; "
            f"name a bundle with --model or {ENVIRONMENT_VARIABLE}"
        )


@contextmanager
def _open(path: Path) -> Iterator[io.FileIO]:
    """Open a regular file; anything else, such as a pipe, would block or end nowhere."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    with io.FileIO(os.open(path, flags)) as raw:
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        yield raw
