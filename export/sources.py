"""List the source files that determine a checkpoint or a bundle; a change to one triggers a rebuild.

    python export/sources.py checkpoint

prints them for the Makefile. It needs only the standard library.
"""

import sys
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_READERS = tuple(
    f"spam_edge/readers/{name}.py"
    for name in (
        "columns",
        "delimited",
        "extraction",
        "formats",
        "lines",
        "pages",
        "parquet_footer",
        "signatures",
        "thrift",
        "unpacked",
    )
)
"""The readers that training uses."""

PATTERNS: Mapping[str, tuple[str, ...]] = {
    "checkpoint": (
        *_READERS,
        "spam_edge/resources.py",  # thread count, hence summation order of gradients
        "spam_edge/text/normalization/*.py",
        "spam_edge/training/*.py",
        "spam_edge/training/data/**/*.py",
        "spam_edge/training/data/**/*.tsv",
        "spam_edge/training/data/**/*.txt",
        "spam_edge/training/metrics/*.py",
        "spam_edge/training/model/*.py",
    ),
    "bundle": (
        "export/**/*.py",
        "export/**/*.jsonl",
        "export/**/*.md",
        "spam_edge/*.py",
        "spam_edge/atomic/*.py",
        "spam_edge/bundle/*.py",
        "spam_edge/decision/*.py",
        "spam_edge/diagnostics/*.py",
        "spam_edge/native/**/*.[ch]",
        "spam_edge/native/*.py",
        *_READERS,
        "spam_edge/runtime/*.py",
        "spam_edge/text/**/*.py",
        "spam_edge/training/checkpoint.py",
        "spam_edge/training/data/**/*.py",
        "spam_edge/training/data/**/*.tsv",
        "spam_edge/training/data/**/*.txt",
        "spam_edge/training/attacks/*.py",
        "spam_edge/training/attacks/*.jsonl",
        "spam_edge/training/metrics/*.py",
        "spam_edge/training/model/*.py",
    ),
}
"""Glob patterns of the source files by target, in addition to the target's input; a bundle's input is the
checkpoint."""


def files(patterns: Iterable[str]) -> list[str]:
    """Return the matching files of this checkout, sorted, relative to its root."""
    found = {path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern)}
    return sorted(found)


def code_fingerprint(patterns: Iterable[str]) -> str:
    """Return the SHA-256 of the names and contents of the matching files."""
    digest = sha256()
    for name in files(patterns):
        digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes() + b"\0")
    return digest.hexdigest()


if __name__ == "__main__":
    sys.stdout.write("\n".join(files(PATTERNS[sys.argv[1]])) + "\n")
