"""Find the input files of a job."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spam_edge.errors import InputError
from spam_edge.readers.exports import EXPORTS
from spam_edge.readers.windows import SUFFIXES, ReadOptions, check_readable, display_name

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
FORMATS = ("parquet", *(f"{name}{suffix}" for name in ("csv", "tsv", "jsonl") for suffix in ("", *COMPRESSIONS)))
"""Formats for reading and writing, named by their suffix without the dot."""
READ_ONLY = tuple(f"{name}{suffix}" for name in EXPORTS for suffix in ("", *COMPRESSIONS))
"""Formats for reading only. Files of a folder are of them only if they are named one by one or by a glob."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An input file, as it was when the job began.

    Attributes:
        path: path as named or found.
        format: one of ``FORMATS`` or ``READ_ONLY``.
        bytes: size in bytes.
        mtime_ns: modification time in nanoseconds.
    """

    path: Path
    format: str
    bytes: int
    mtime_ns: int

    @property
    def changed(self) -> bool:
        """Whether the file is missing or its size or modification time changed."""
        try:
            status = self.path.stat()
        except OSError:
            return True
        return (status.st_size, status.st_mtime_ns) != (self.bytes, self.mtime_ns)

    @property
    def name(self) -> str:
        """Name in messages."""
        return display_name(self.path)

    @property
    def kind(self) -> str:
        """Format without the compression."""
        return self.format.split(".")[0]

    @property
    def compression(self) -> str | None:
        """Name of the compression in pyarrow, or ``None``."""
        return compression_of(self.format)

    @property
    def stem(self) -> str:
        """File name without the suffixes of format and compression."""
        plain = Path(self.path.stem) if self.path.suffix.lower() in COMPRESSIONS else self.path
        return plain.stem if plain.suffix.lower() in SUFFIXES else plain.name


def compression_of(file_format: str) -> str | None:
    """Return the compression of one of ``FORMATS`` by its name in pyarrow, or ``None``."""
    return next((name for suffix, name in COMPRESSIONS.items() if file_format.endswith(suffix)), None)


def format_of(path: Path, reading: ReadOptions | None = None) -> str | None:
    """Return the format of a file, from its suffixes and ``reading.input_format``; ``None`` if it is unknown.

    Without ``reading``, it is one of ``FORMATS``.
    """
    suffix = path.suffix.lower()
    compression = suffix if suffix in COMPRESSIONS else ""
    inner = Path(path.stem) if compression else path
    kind = (reading and reading.input_format) or SUFFIXES.get(inner.suffix.lower())
    found = f"{kind}{compression}"
    return found if found in FORMATS or (reading is not None and found in READ_ONLY) else None


def find_inputs(patterns: Sequence[str | os.PathLike[str]], reading: ReadOptions) -> tuple[Input, ...]:
    """Expand paths, folders and globs to input files: each once, sorted within a folder or glob.

    Raises:
        InputError: a pattern matches nothing, or a file cannot be read or has an unknown format.
    """
    found: dict[Path, Input] = {}
    for pattern in patterns:
        for path in _matches(Path(pattern), reading):
            found.setdefault(path.resolve(), _input(path, reading))
    return tuple(found.values())


def is_glob(path: Path) -> bool:
    """Whether a path does not exist and contains wildcards."""
    return not path.exists() and glob.escape(str(path)) != str(path)


def _matches(path: Path, reading: ReadOptions) -> Iterator[Path]:
    if path.is_dir():
        matches = sorted(_files_in(path, reading))
        wanted = "contains no file of a known format (.csv .tsv .jsonl .ndjson, also with .gz or .zst, and .parquet)"
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
        # Dot files are hidden; other writers use dot files and _temporary for partial output.
        hidden = any(part.startswith(".") or part == "_temporary" for part in path.relative_to(folder).parts)
        if not hidden and format_of(path, None) and path.is_file():
            yield path


def _input(path: Path, reading: ReadOptions) -> Input:
    check_readable(path)
    if not path.is_file():
        raise InputError(f"{display_name(path)} is not a regular file; save it to one, because a job may read it twice")
    file_format = format_of(path, reading)
    if file_format is None:
        raise InputError(
            f"{display_name(path)} has no format that batch reads (CSV, TSV, JSON Lines, Parquet, sms-xml, whatsapp, "
            "telegram); set it with --input-format, or read mails with spam-edge classify"
        )
    status = path.stat()
    return Input(path=path, format=file_format, bytes=status.st_size, mtime_ns=status.st_mtime_ns)
