"""Find a bundle on disk and make sure that its files are the ones the exporter wrote."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from spam_edge.errors import BundleIntegrityError, BundleNotFoundError
from spam_edge.manifest import MANIFEST_NAME, Manifest

ENVIRONMENT_VARIABLE = "SPAM_EDGE_MODEL"
DEFAULT_LOCATION = Path("artifacts/bundle")
TOKENIZER_NAME = "tokenizer.json"


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
        size = path.stat().st_size
        if size != expected.bytes:
            raise BundleIntegrityError(f"{path} has {size} bytes where {expected.bytes} were written; {remedy}")
        if sha256_of(path) != expected.sha256:
            raise BundleIntegrityError(f"{path} was changed after the export (sha256 differs); {remedy}")


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _locate(location: str | os.PathLike[str] | None) -> tuple[Path, str]:
    if location is not None:
        return Path(location), "named by the caller"
    from_environment = os.environ.get(ENVIRONMENT_VARIABLE)
    if from_environment:
        return Path(from_environment), f"from {ENVIRONMENT_VARIABLE}"
    return DEFAULT_LOCATION, "the default place"
