"""Find a bundle on disk and make sure that its files are the ones the exporter wrote."""

import hashlib
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from spam_edge.errors import BundleIntegrityError, BundleNotFoundError
from spam_edge.manifest import MANIFEST_NAME, BundleFile, Manifest

ENVIRONMENT_VARIABLE = "SPAM_EDGE_MODEL"
DEFAULT_LOCATION = Path("artifacts/bundle")
TOKENIZER_NAME = "tokenizer.json"
_PIECE = 2**22  # bytes hashed at a time: for each piece, a thread waits for its turn


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder with a model and the manifest that describes it.

    Attributes:
        path: absolute path of the folder.
        manifest: its parsed ``manifest.json``.
        digest: sha256 of ``manifest.json``. The manifest holds the hash of every other file, so two bundles
            with the same digest are the same.
    """

    path: Path
    manifest: Manifest
    digest: str

    @classmethod
    def find(cls, location: str | os.PathLike[str] | None = None) -> Self:
        """Open the bundle at ``location``, else at ``$SPAM_EDGE_MODEL``, else at ``./artifacts/bundle``.

        Raises:
            BundleNotFoundError: there is no manifest at the first of these places that is named.
            ManifestError: the manifest cannot be used.
        """
        path, origin = _locate(location)
        manifest_path = path / MANIFEST_NAME
        if not manifest_path.is_file():
            missing = f"has no {MANIFEST_NAME}" if path.is_dir() else "does not exist"
            raise BundleNotFoundError(
                f"no bundle: {path} ({origin}) {missing}; run `make train export`, "
                f"or name a bundle with --model or {ENVIRONMENT_VARIABLE}"
            )
        manifest = Manifest.read(manifest_path)
        return cls(path.resolve(), manifest, sha256_of(manifest_path))

    def file(self, name: str) -> Path:
        """Absolute path of the file that the manifest calls ``name``."""
        return self.path / name

    def verify(self, names: Iterable[str] | None = None) -> None:
        """Compare files (all of them unless ``names`` are given) with the manifest, by size and sha256.

        Raises:
            BundleIntegrityError: a file is missing, is not listed or has changed.
        """
        for name in self.manifest.files if names is None else names:
            self._verify_file(name)

    def _verify_file(self, name: str) -> None:
        expected = self.manifest.files.get(name)
        path = self.file(name)
        remedy = "export the bundle again or copy it whole"
        if expected is None:
            raise BundleIntegrityError(f"{path} is not listed in {MANIFEST_NAME}; {remedy}")
        if not path.is_file():
            raise BundleIntegrityError(f"{path} is missing although {MANIFEST_NAME} lists it; {remedy}")
        try:
            self._compare(path, expected, remedy)
        except OSError as error:
            raise BundleIntegrityError(f"{path} cannot be read ({error.strerror}); {remedy}") from error

    @staticmethod
    def _compare(path: Path, expected: BundleFile, remedy: str) -> None:
        size = path.stat().st_size
        if size != expected.bytes:
            raise BundleIntegrityError(f"{path} has {size} bytes where {expected.bytes} were written; {remedy}")
        if sha256_of(path) != expected.sha256:
            raise BundleIntegrityError(f"{path} was changed after the export (sha256 differs); {remedy}")


class Verification:
    """Compares files with the manifest while something else goes on: the import of onnxruntime takes as long."""

    def __init__(self, bundle: Bundle, names: Iterable[str]) -> None:
        """Begin with files that will probably be needed."""
        self._bundle = bundle
        self._names = frozenset(names)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="spam-edge-verification")
        self._thread.start()

    def require(self, names: Iterable[str]) -> None:
        """Wait until it is certain that these files are the ones the exporter wrote.

        Raises:
            BundleIntegrityError: one of them is not.
        """
        self._thread.join()
        wanted = frozenset(names)
        if self._error is not None and wanted & self._names:
            raise self._error
        self._bundle.verify(sorted(wanted - self._names))

    def _run(self) -> None:
        try:
            self._bundle.verify(self._names)
        except Exception as error:  # whatever it is, it belongs to whoever needs the files
            self._error = error


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    digest, piece = hashlib.sha256(), memoryview(bytearray(_PIECE))
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(piece):
            digest.update(piece[:count])
    return digest.hexdigest()


def _locate(location: str | os.PathLike[str] | None) -> tuple[Path, str]:
    if location is not None:
        return Path(location), "named by the caller"
    from_environment = os.environ.get(ENVIRONMENT_VARIABLE)
    if from_environment:
        return Path(from_environment), f"from {ENVIRONMENT_VARIABLE}"
    return DEFAULT_LOCATION, "the default place"
