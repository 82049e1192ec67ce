"""What the processes that run the tests side by side share, and what each has of its own."""

import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from spam_edge.atomic import atomic_directory

MakeOnce = Callable[[str, Callable[[Path], object]], Path]
"""Takes the name of a folder and a function that fills it while it is empty; returns the folder, which is read-only."""
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
IS_ONE_OF_SEVERAL = bool(_WORKER)
"""Whether other processes run tests beside this one."""
NUMBER = int(_WORKER.removeprefix("gw") or 0)
"""Number of this process among them, from 0."""


def once_in(shared: Path) -> MakeOnce:
    """Return a function that makes folders in ``shared``. A process waits for another that is making the same one."""

    def once(name: str, fill: Callable[[Path], object]) -> Path:
        folder = shared / name
        with FileLock(shared / f"{name}.lock"):
            if not folder.exists():
                with atomic_directory(folder) as partial:
                    fill(partial)
        return folder

    return once
