"""A subset of the notices, for tests that run a program in a subprocess."""

import os
from pathlib import Path

from spam_edge.training.data.notices.templates import FILE

_FOLDER = Path(__file__).with_name("few_notices")
_EVERY = 8


def few_notices(folder: Path) -> dict[str, str]:
    """Return an environment in which Python reads every eighth template instead of all.

    Args:
        folder: where the templates are written.
    """
    rows = [line.split("\t") for line in FILE.read_text(encoding="utf-8").splitlines()[::_EVERY]]
    path = folder / "few.tsv"
    # the pair column is cleared: most pairs lose one side
    path.write_text("".join("\t".join([*row[:4], "", row[5]]) + "\n" for row in rows), encoding="utf-8")
    found = [str(_FOLDER), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "FEW_NOTICES": str(path), "PYTHONPATH": os.pathsep.join(filter(None, found))}
