"""Memory, measured in processes of their own: what other tests left in this one would hide or cause growth."""

import ctypes
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.fresh import resident_memory

MIB = 2**20
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="looks at memory in /proc")

# What wait4() says of a child counts what its parent had when the child was started, too; VmHWM does not.
_PEAK = """
from spam_edge.cli import main
main(standalone_mode=False)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak_of_command(arguments: Sequence[str], **options: Any) -> int:
    """Return the peak memory in bytes of ``spam-edge`` with these arguments.

    Args:
        arguments: with which it writes nothing to standard output.
        options: of :func:`subprocess.run`.
    """
    command = [sys.executable, "-c", _PEAK, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **options)
    return int(done.stdout) * 1024


def growth(act: Callable[[], None]) -> int:
    """Return by how many bytes this process grows from the tenth of sixty repetitions to the last.

    What an action allocates once is there by the tenth. To be called by ``in_fresh_process``; needs glibc.
    """
    before = 0
    for number in range(60):
        act()
        if number == 9:
            before = _in_use()
    return _in_use() - before


def _in_use() -> int:
    """Return the resident memory without what malloc keeps for later, of which there is more or less by chance."""
    ctypes.CDLL(None).malloc_trim(0)
    return resident_memory()
