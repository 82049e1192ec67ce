"""Which files a job reads, and in which order."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spam_edge.errors import InputError
from spam_edge.records import SUFFIXES, ReadOptions, check_readable, display_name

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
FORMATS = ("parquet", *(f"{name}{suffix}" for name in ("csv", "tsv", "jsonl") for suffix in ("", *COMPRESSIONS)))
"""All that can be read and written; the name is the suffix without its dot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One file, as it was when the job began.

    Attributes:
        path: as it was named or found.
        format: one of ``FORMATS``.
        bytes: its size.
        mtime_ns: when it was last changed.
    """

    path: Path
    format: str
    bytes: int
    mtime_ns: int

    @property
    def changed(self) -> bool:
        """Whether it is gone or another one now, as far as size and time tell."""
        try:
            status = self.path.stat()
        except OSError:
            return True
        return (status.st_size, status.st_mtime_ns) != (self.bytes, self.mtime_ns)

    @property
    def name(self) -> str:
        """What people call it."""
        return display_name(self.path)

    @property
    def kind(self) -> str:
        """The format without its compression."""
        return self.format.split(".")[0]

    @property
    def compression(self) -> str | None:
        """The compression as pyarrow calls it."""
        return compression_of(self.format)

    @property
    def stem(self) -> str:
        """Its name without the suffixes of format and compression."""
        plain = Path(self.path.stem) if self.path.suffix.lower() in COMPRESSIONS else self.path
        return plain.stem if plain.suffix.lower() in SUFFIXES else plain.name


def compression_of(file_format: str) -> str | None:
    """Return the compression of one of ``FORMATS`` as pyarrow calls it."""
    return next((name for suffix, name in COMPRESSIONS.items() if file_format.endswith(suffix)), None)


def format_of(path: Path, reading: ReadOptions | None = None) -> str | None:
    """Return which of ``FORMATS`` a file has, by its suffixes and what the options say of all inputs."""
    suffix = path.suffix.lower()
    compression = suffix if suffix in COMPRESSIONS else ""
    inner = Path(path.stem) if compression else path
    kind = (reading and reading.input_format) or SUFFIXES.get(inner.suffix.lower())
    found = f"{kind}{compression}"
    return found if found in FORMATS else None


def find_inputs(patterns: Sequence[str | os.PathLike[str]], reading: ReadOptions) -> tuple[Input, ...]:
    """Return the files that paths, folders and globs name, each once, sorted within a folder or glob.

    Raises:
        InputError: one of them names nothing, or a file cannot be read or has a format that is not known.
    """
    found: dict[Path, Input] = {}
    for pattern in patterns:
        for path in _matches(Path(pattern), reading):
            found.setdefault(path.resolve(), _input(path, reading))
    return tuple(found.values())


def is_glob(path: Path) -> bool:
    """Whether a path that is not there is a pattern."""
    return not path.exists() and glob.escape(str(path)) != str(path)


def _matches(path: Path, reading: ReadOptions) -> Iterator[Path]:
    if path.is_dir():
        matches = sorted(_files_in(path, reading))
        wanted = "holds no file of a known format (.csv .tsv .jsonl .ndjson .parquet, .gz and .zst too)"
    elif is_glob(path):
        found = map(Path, glob.glob(str(path), recursive=True))  # noqa: PTH207 - the pattern may be absolute
        matches = sorted(match for match in found if match.is_file())
        wanted = "matches no file"
    else:
        matches, wanted = [path], ""
    if not matches:
        raise InputError(f"{display_name(path)} {wanted}; check the path")
    yield from matches


def _files_in(folder: Path, reading: ReadOptions) -> Iterator[Path]:
    for path in folder.rglob("*"):
        # What begins with a dot or lies in _temporary is hidden, or is being written by somebody.
        hidden = any(part.startswith(".") or part == "_temporary" for part in path.relative_to(folder).parts)
        if not hidden and format_of(path, None) and path.is_file():
            yield path


def _input(path: Path, reading: ReadOptions) -> Input:
    check_readable(path)
    if not path.is_file():
        raise InputError(f"{display_name(path)} is no regular file; a job must be able to read its inputs twice")
    file_format = format_of(path, reading)
    if file_format is None:
        raise InputError(
            f"{display_name(path)} is of no format that a batch job reads (CSV, TSV, JSON Lines, Parquet); "
            "name it with --input-format"
        )
    status = path.stat()
    return Input(path=path, format=file_format, bytes=status.st_size, mtime_ns=status.st_mtime_ns)
