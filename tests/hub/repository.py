"""A folder as a Hub repository: files with the hashes behind their ETags, and one commit."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LARGE = (".safetensors", ".bin", ".h5", ".parquet")


@dataclass(frozen=True, slots=True)
class File:
    """One file of a repository.

    Attributes:
        path: path within the repository.
        source: path on the local disk.
        size: size in bytes.
        oid: hash of the git blob.
        sha256: hash of the content of an LFS file, else empty.
    """

    path: str
    source: Path
    size: int
    oid: str
    sha256: str

    @property
    def etag(self) -> str:
        """Identifier of the content in a client's cache."""
        return self.sha256 or self.oid

    def describe(self) -> dict[str, Any]:
        """Return the tree entry of the API."""
        entry: dict[str, Any] = {"type": "file", "path": self.path, "size": self.size, "oid": self.oid}
        if self.sha256:
            entry["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": len(_pointer(self.sha256, self.size))}
        return entry


class Repository:
    """A snapshot of the files below a folder.

    Args:
        folder: the folder to serve.
        kind: ``models`` or ``datasets``.
        name: owner and name.
        short: legacy name of a model, which redirects.
    """

    def __init__(self, folder: Path, kind: str, name: str, *, short: str = "") -> None:
        self.kind, self.name, self.short = kind, name, short
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        self.files = {file.path: file for file in (_read(path, path.relative_to(folder).as_posix()) for path in paths)}
        listing = "".join(f"{file.oid} {file.path}\n" for file in self.files.values())
        self.commit = _git_hash("commit", listing.encode())

    def describe(self) -> dict[str, Any]:
        """Return the API's information on the repository."""
        siblings = [{"rfilename": path} for path in self.files]
        return {"id": self.name, "sha": self.commit, "private": False, "gated": False, "disabled": False,
                "tags": [], "downloads": 0, "likes": 0, "siblings": siblings}  # fmt: skip

    def tree(self, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
        """Return the tree entries of a folder, including subfolders if ``recursive``."""
        inside = f"{folder}/" if folder else ""
        found: set[str] = set()
        for name in self.files:
            if name.startswith(inside):
                parts = name.removeprefix(inside).split("/")
                depths = range(1, len(parts) + 1) if recursive else (1,)
                found.update(inside + "/".join(parts[:depth]) for depth in depths)
        return self.paths(sorted(found))

    def paths(self, paths: Iterable[str]) -> list[dict[str, Any]]:
        """Return the tree entries of the paths that exist."""
        entries = []
        for path in paths:
            if path in self.files:
                entries.append(self.files[path].describe())
            elif any(name.startswith(f"{path}/") for name in self.files):
                entries.append({"type": "directory", "path": path, "size": 0, "oid": _git_hash("tree", path.encode())})
        return entries


def _read(path: Path, name: str) -> File:
    size = path.stat().st_size
    with path.open("rb") as stream:
        if path.suffix not in _LARGE:
            return File(name, path, size, _git_hash("blob", stream.read()), "")
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return File(name, path, size, _git_hash("blob", _pointer(sha256, size)), sha256)


def _pointer(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def _git_hash(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()
