"""Thread and memory budget of this process: affinity and cgroup limits, not the host's totals."""

import math
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_CGROUP_OF_SELF = Path("/proc/self/cgroup")
_MEMINFO = Path("/proc/meminfo")


def available_threads() -> int:
    """Return the smaller of the CPU affinity and the cgroup v2 CPU quota (rounded up), at least 1.

    The tokenizers library applies the same limits to its own thread pool unless ``RAYON_NUM_THREADS`` is set.
    """
    with suppress(AttributeError):  # not on macOS and Windows
        return max(1, min(len(os.sched_getaffinity(0)), _cgroup_quota()))
    return os.cpu_count() or 1


def can_start_threads(count: int) -> bool:
    """Return whether the system lets this process have this many more threads now."""
    done = threading.Event()
    started: list[threading.Thread] = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=done.wait, name="spam-edge-probe")
            thread.start()
            started.append(thread)
    except RuntimeError:
        return False
    finally:
        done.set()
        for thread in started:
            thread.join()
    return True


def _cgroup_folders() -> Iterator[Path]:
    """Yield the cgroup v2 directory of this process and its parents."""
    with suppress(OSError):
        # cgroup v2 is the line 0::/path.
        unified = [line for line in _CGROUP_OF_SELF.read_text().splitlines() if line.startswith("0::")]
        for line in unified:
            group = _CGROUP_ROOT / line.removeprefix("0::").lstrip("/")
            yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(_CGROUP_ROOT))


def available_memory() -> float:
    """Return the bytes that this process may still allocate, infinite if unknown."""
    return min([_free_memory(), *(_left_in(folder) for folder in _cgroup_folders())])


def _cgroup_quota() -> int:
    """Return the CPUs granted by ``cpu.max`` of this process's cgroup and its parents, rounded up."""
    quota = min((_read_cpu_max(folder / "cpu.max") for folder in _cgroup_folders()), default=math.inf)
    return max(1, math.ceil(quota)) if math.isfinite(quota) else os.cpu_count() or 1


def _read_cpu_max(path: Path) -> float:
    with suppress(OSError, ValueError):
        limit, period = path.read_text().split()
        if limit != "max":
            return int(limit) / int(period)
    return math.inf


def _free_memory() -> float:
    with suppress(OSError, ValueError):
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return math.inf


def _left_in(folder: Path) -> float:
    with suppress(OSError, ValueError):  # "max", not a number, means no limit
        limit = int((folder / "memory.max").read_text())
        return max(0, limit - int((folder / "memory.current").read_text()))
    return math.inf
