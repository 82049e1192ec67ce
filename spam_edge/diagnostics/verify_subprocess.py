"""Verify a bundle in a process of its own, with limits in time and memory.

A bundle is input for parsers of other projects: a tokenizer that grows without end, a graph that never returns or a
sparse file of terabytes takes the process with it. Here that is a process which has nothing else to lose. It is no
sandbox: it may do whatever this user may.
"""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from spam_edge import errors
from spam_edge.diagnostics.report import VerificationReport
from spam_edge.errors import OptionError, SpamEdgeError
from spam_edge.options import RuntimeOptions

SECONDS = 600.0
"""Default limit in seconds."""
MEMORY = 4096
"""Default limit in MiB."""
FOUND = {"found": True}
"""Message of the process that there is a bundle with a valid manifest."""
_LONGEST_ANSWER = 2**20
"""Most bytes to read; a report has a few hundred."""
_LONGEST_REASON = 300
_PIECE = 2**16
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from spam_edge.diagnostics.child import main; main()"
)
_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
"""Each thread would reserve address space that it never uses, on machines with many cores more than the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a verification.

    Attributes:
        seconds: maximum duration.
        memory: maximum address space in MiB, and maximum size of a copy of a file in memory, on systems with
            ``setrlimit``. Address space is not limited where CUDA may be used, which reserves more than there is.
    """

    seconds: float = SECONDS
    memory: int = MEMORY

    def __post_init__(self) -> None:
        if not all(isinstance(value, int | float) for value in (self.seconds, self.memory)):
            raise OptionError(f"seconds and memory must be numbers, not {self.seconds!r} and {self.memory!r}")
        if not (isfinite(self.seconds) and 0 < self.seconds <= threading.TIMEOUT_MAX):
            raise OptionError(f"seconds must be above 0, not {self.seconds}")
        if not 1 <= self.memory <= 2**40:
            raise OptionError(f"memory must be at least 1 MiB, not {self.memory}")


def verify_in_subprocess(
    location: str | os.PathLike[str] | None = None,
    options: RuntimeOptions | None = None,
    *,
    limits: Limits | None = None,
    on_found: Callable[[], None] | None = None,
) -> VerificationReport:
    """Run :func:`spam_edge.diagnostics.verify.verify_bundle` in a process of its own.

    Args:
        location: path of the bundle, as there.
        options: the runtime options, as there.
        limits: limits in time and memory.
        on_found: called before this returns or raises if there is a bundle with a valid manifest.

    Raises:
        SpamEdgeError: as there; or the process died, passed a limit or cannot be started.
    """
    limits = limits or Limits()
    place = None if location is None else os.fsdecode(location)
    token = secrets.token_hex(16)
    request = {"location": place, "options": asdict(options or RuntimeOptions()), "memory": int(limits.memory * 2**20)}
    with _started(request | {"seconds": limits.seconds, "token": token}) as process:
        output, stopped = _read(process, limits.seconds)
    framed = re.compile(f"\n{token} (.*)\n")
    messages = [json.loads(message) for message in framed.findall(output)]
    printed = framed.sub("", output)
    if on_found is not None and FOUND in messages:
        on_found()
    answer = next((message for message in messages if message != FOUND), None)
    name = "the bundle" if place is None else place
    if answer is None or process.returncode:
        raise SpamEdgeError(f"{name} {stopped or _death(process.returncode, printed, limits)}")
    if printed and sys.stderr is not None:
        sys.stderr.write(printed)
    return _opened(answer, name, limits)


@contextmanager
def _started(request: Mapping[str, Any]) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the process; on leaving, for whatever reason, it has ended."""
    # Without -P it would import modules of the working directory, which may be that of the bundle.
    flag = "-I" if sys.flags.isolated else "-P"
    arguments = [sys.executable, flag, "-c", _PROGRAM, json.dumps(sys.path), json.dumps(request)]
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | _ENVIRONMENT,
        )
    except (OSError, ValueError) as error:
        raise SpamEdgeError(f"no process can be started for the verification ({error}); try again later") from error
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _read(process: "subprocess.Popen[bytes]", seconds: float) -> tuple[str, str]:
    """Return what the process printed until it ended, and why it was stopped; empty if it was not."""
    stopped: list[str] = []

    def stop(reason: str) -> None:
        stopped.append(reason)
        process.kill()

    late = f"was not verified within {seconds:g} seconds; do not use it, or raise --max-seconds on a slow machine"
    timer = threading.Timer(seconds, stop, [late])
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError as error:
        raise SpamEdgeError(f"no thread can be started for the verification ({error}); try again later") from error
    output = bytearray()
    try:
        while piece := os.read(process.stdout.fileno(), _PIECE):  # type: ignore[union-attr]
            output += piece
            if len(output) > _LONGEST_ANSWER:
                stop("was not verified: libraries printed too much; do not use it")
                break
        process.wait()
    finally:
        timer.cancel()
    return output.decode(errors="replace"), "".join(stopped[:1])


def _death(code: int, printed: str, limits: Limits) -> str:
    """Return what is known about the end of a process that gave no answer."""
    died = f"with exit code {code}" if code >= 0 else f"of {_signal(-code)}"
    last = next((line for line in reversed(printed.splitlines()) if line.strip()), "no reason given")
    return f"was not verified: the process died {died} ({last[:_LONGEST_REASON]}); {_remedy(limits)}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _remedy(limits: Limits) -> str:
    return f"do not use it, or raise --max-memory (now {limits.memory} MiB) for a large model"


def _opened(answer: Mapping[str, Any], name: str, limits: Limits) -> VerificationReport:
    """Return the report of an answer, or raise its error."""
    if "report" in answer:
        return VerificationReport.from_dict(answer["report"])
    if "fault" in answer:
        raise SpamEdgeError(f"{name} was not verified ({answer['fault'][:_LONGEST_REASON]}); {_remedy(limits)}")
    raise getattr(errors, answer["error"], SpamEdgeError)(answer["text"])
