"""How many threads this process may keep busy: what it was given, not what the host has."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_CGROUP_OF_SELF = Path("/proc/self/cgroup")


def available_threads() -> int:
    """Return the smaller of the CPU affinity and the cgroup v2 CPU quota (rounded up), at least 1.

    The tokenizers library looks at the same two for its own threads (``RAYON_NUM_THREADS`` decides otherwise), so that
    nothing has to be set for it.
    """
    with suppress(AttributeError):  # not on macOS and Windows
        return max(1, min(len(os.sched_getaffinity(0)), _cgroup_quota()))
    return os.cpu_count() or 1


def cgroup_folders() -> Iterator[Path]:
    """Yield the cgroup v2 folders of this process: its own and those above it."""
    with suppress(OSError):
        # cgroup v2 has one line: 0::/path
        unified = [line for line in _CGROUP_OF_SELF.read_text().splitlines() if line.startswith("0::")]
        for line in unified:
            group = _CGROUP_ROOT / line.removeprefix("0::").lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(_CGROUP_ROOT))


def _cgroup_quota() -> int:
    """Whole CPUs granted by ``cpu.max`` of this process's cgroup and of those above it."""
    quota = min((_read_cpu_max(folder / "cpu.max") for folder in cgroup_folders()), default=math.inf)
    return max(1, math.ceil(quota)) if math.isfinite(quota) else os.cpu_count() or 1


def _read_cpu_max(path: Path) -> float:
    with suppress(OSError, ValueError):
        limit, period = path.read_text().split()
        if limit != "max":
            return int(limit) / int(period)
    return math.inf
