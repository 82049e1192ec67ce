"""Run a command and measure it from outside: wall time, CPU time, and memory of its process tree."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.turn import ROOT, TurnError

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident and peak memory of a process, in bytes."""

    resident: int
    peak: int


@dataclass(frozen=True, slots=True)
class Observed:
    """Measurements of a finished command.

    Attributes:
        answer: the JSON that it wrote to standard output.
        seconds: wall time.
        processor_seconds: CPU time of the command and of the children it waited for.
        parent: peak memory of the command, in bytes.
        worker: peak memory of its largest descendant, in bytes; 0 without descendants.
        tree: peak of the summed resident memory, in bytes; shared pages count once per process.
    """

    answer: Any
    seconds: float
    processor_seconds: float
    parent: int
    worker: int
    tree: int


def observe(
    command: Sequence[str],
    *,
    interval: float = 0.1,
    see: Callable[[Mapping[int, Memory]], None] | None = None,
) -> Observed:
    """Run a command to its end.

    Args:
        command: writes JSON to standard output.
        interval: seconds between two samples of memory.
        see: called with each sample, the command's own process first.

    Raises:
        TurnError: the command failed.
    """
    peaks: dict[int, int] = {}
    tree = 0
    before, began = _processor_seconds(), time.perf_counter()
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(command, stdout=output, cwd=ROOT) as process:
            while process.poll() is None:
                memories = memory_of_tree(process.pid)
                peaks |= {pid: max(memory.peak, peaks.get(pid, 0)) for pid, memory in memories.items()}
                tree = max(tree, sum(memory.resident for memory in memories.values()))
                if see is not None and process.pid in memories:
                    see(memories)
                time.sleep(interval)
        seconds = time.perf_counter() - began
        if process.returncode != 0:
            raise TurnError(f"{' '.join(command[1:])} ended with exit code {process.returncode}")
        output.seek(0)
        answer = json.loads(output.read())
    parent = peaks.pop(process.pid, 0)
    worker = max(peaks.values(), default=0)
    return Observed(answer, seconds, _processor_seconds() - before, parent, worker, tree)


def memory_of_tree(root: int) -> dict[int, Memory]:
    """Return the memory of a process and of its running descendants, by process id.

    Raises:
        OSError: the system has no ``/proc``.
    """
    children: dict[int, list[int]] = {}
    for path in _PROC.iterdir():
        if path.name.isdigit():
            with suppress(OSError):
                parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(path.name))
    found: dict[int, Memory] = {}
    waiting = [root]
    for pid in waiting:
        with suppress(OSError, KeyError):  # the process has ended
            found[pid] = _memory(pid)
        waiting.extend(children.get(pid, ()))
    return found


def batch_command(bundle: Path, source: Path, output: Path, *options: str) -> list[str]:
    """Return the command of a batch job that starts over and writes its report to standard output."""
    places = [str(source), "--output", str(output), "--model", str(bundle)]
    command = [sys.executable, "-m", "spam_edge", "batch", *places]
    return [*command, "--force", "--quiet", "--report", "-", "--device", "cpu", *options]


def loop_command(bundle: Path, source: Path, *, threads: int) -> list[str]:
    """Return the command of the loop that batch jobs are compared with."""
    return [sys.executable, "-m", "tests.benchmarks.batch_loop", str(bundle), str(source), str(threads)]


def _memory(pid: int) -> Memory:
    lines = (line.split() for line in (_PROC / str(pid) / "status").read_text().splitlines())
    sizes = {words[0]: int(words[1]) * 1024 for words in lines if words and words[0] in ("VmRSS:", "VmHWM:")}
    return Memory(sizes["VmRSS:"], sizes["VmHWM:"])


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
