"""How many workers this process has processor and memory for."""

import math
from contextlib import suppress
from pathlib import Path

from spam_edge.engine import offers_cuda
from spam_edge.session import RuntimeOptions
from spam_edge.threads import available_threads, cgroup_folders

WORKER_BYTES = 250 * 2**20
"""Memory of a worker, about: the interpreter, the session and what it needs while it runs."""

_MEMINFO = Path("/proc/meminfo")


def default_workers(options: RuntimeOptions) -> int:
    """Return how many workers to start: one on a GPU, else one per core while there is memory, at least 1."""
    if options.device == "cuda" or (options.device == "auto" and offers_cuda()):
        return 1
    cores = available_threads() // (options.threads or 1)
    memory = available_memory()
    return max(1, cores if memory == math.inf else min(cores, int(memory) // WORKER_BYTES))


def available_memory() -> float:
    """Return the bytes that this process may still take, infinite where nobody says."""
    return min([_free_memory(), *(_left_in(folder) for folder in cgroup_folders())])


def _free_memory() -> float:
    with suppress(OSError, ValueError):
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return math.inf


def _left_in(folder: Path) -> float:
    with suppress(OSError, ValueError):  # "max" is no number, and no limit
        limit = int((folder / "memory.max").read_text())
        return max(0, limit - int((folder / "memory.current").read_text()))
    return math.inf
