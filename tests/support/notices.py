"""A subset of the notices, for tests that need some and not all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spam_edge.training.data.notices.templates import FILE, load_templates

_FOLDER = Path(__file__).with_name("few_notices")
_EVERY = 20
_PAIR = 4
"""Column of the pair in the file."""


def few_notices(folder: Path) -> dict[str, str]:
    """Return an environment in which Python reads a twentieth of the templates instead of all.

    Args:
        folder: where the templates are written.
    """
    found = [str(_FOLDER), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "FEW_NOTICES": str(_write_few(folder)),
        "PYTHONPATH": os.pathsep.join(filter(None, found)),
    }


@contextmanager
def few_notices_here(folder: Path) -> Iterator[None]:
    """Let this process read a twentieth of the templates instead of all; see :func:`few_notices`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load_templates, "__defaults__", (_write_few(folder),))
        yield


def _write_few(folder: Path) -> Path:
    """Write every twentieth template, and of the pairs every twentieth pair, and return the file."""
    groups: dict[str, list[str]] = {}
    for number, line in enumerate(FILE.read_text(encoding="utf-8").splitlines()):
        groups.setdefault(line.split("\t")[_PAIR] or f"line {number}", []).append(line)
    path = folder / "few.tsv"
    rows = [line for group in list(groups.values())[::_EVERY] for line in group]
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path
