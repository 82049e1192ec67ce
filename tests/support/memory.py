"""Memory measurements in fresh processes, where allocations of other tests cannot hide or cause growth."""

import ctypes
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.fresh import resident_memory

MIB = 2**20
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="requires /proc")

# The peak reported by wait4() includes the parent's memory at the time of the fork; VmHWM does not.
_PEAK = """
from spam_edge.cli import main
main(standalone_mode=False)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak_of_command(arguments: Sequence[str], **options: Any) -> int:
    """Return the peak memory in bytes of ``spam-edge`` with these arguments.

    Args:
        arguments: command-line arguments; the command must not write to standard output.
        options: passed to :func:`subprocess.run`.
    """
    command = [sys.executable, "-c", _PEAK, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **options)
    return int(done.stdout) * 1024


def growth(act: Callable[[], None]) -> int:
    """Return the growth in bytes of this process between the tenth and the last of sixty repetitions.

    One-time allocations are complete by the tenth. Call it through ``in_fresh_process``; requires glibc.
    """
    before = 0
    for number in range(60):
        act()
        if number == 9:
            before = _in_use()
    return _in_use() - before


def _in_use() -> int:
    """Return the resident memory in bytes after malloc released its free blocks, whose size varies by chance."""
    ctypes.CDLL(None).malloc_trim(0)
    return resident_memory()
