"""Compile the operator with sanitizers, and run models in it."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.arm64.emulator import emulator
from tests.support.vectors import ALL_VECTORS

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "spam_edge" / "native"
_HARNESS = Path(__file__).parent / "harness.c"
FLAGS = ["-std=gnu11", "-O1", "-g", "-ffp-contract=off", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all"]
"""Options of the compiler, without the sanitizer."""
ENVIRONMENT = {
    "ASAN_OPTIONS": "allocator_may_return_null=1:max_allocation_size_mb=4096:detect_leaks=1:exitcode=23",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}
"""Options of the sanitizers."""
_REASONS = ("SUMMARY: ", "runtime error", "panic: ")


@dataclass(frozen=True)
class Harness:
    """A program that runs models; see harness.c.

    Attributes:
        program: its path.
        sanitizers: what it was compiled with.
        emulator: the command that runs it on another processor than this machine's; empty for this machine.
    """

    program: Path
    sanitizers: str
    emulator: tuple[str, ...] = ()


@dataclass
class Outcomes:
    """What became of each model, by number.

    Attributes:
        done: logits, as hexadecimal bytes.
        refused: message of the operator.
        faults: what the sanitizer or the system found; -1 for a leak, which belongs to no model.
    """

    done: dict[int, str] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)


def compile_harness(vectors: str, folder: Path, native: Path = NATIVE) -> Harness:
    """Compile the operator for an instruction set, with the stand-in for onnxruntime.

    ``$CC``, by default cc, compiles with AddressSanitizer and UndefinedBehaviorSanitizer. The clang of ziglang, for
    machines without such a compiler, has the second only; guard pages then find reads and writes behind tensors.

    Raises:
        subprocess.CalledProcessError: neither compiles; the output says why.
    """
    program = folder / f"fuzz-{vectors}"
    command = arguments(vectors, native, program)
    compilers = {
        "address,undefined": shlex.split(os.environ.get("CC", "cc")),
        "undefined": [sys.executable, "-m", "ziglang", "cc"],
    }
    for sanitizers, compiler in compilers.items():
        try:
            subprocess.run([*compiler, f"-fsanitize={sanitizers}", *command], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            if sanitizers == "undefined":
                raise
        else:
            break
    return Harness(program, sanitizers)


def compile_for_arm(vectors: str, folder: Path, processor: str, sysroot: Path) -> Harness:
    """Compile the operator for an instruction set of ARM64, for a processor that QEMU emulates.

    A trap ends the program where UndefinedBehaviorSanitizer finds a fault. The C library is that of the folder
    ``sysroot``, which :func:`tests.arm64.sysroot.sysroot_python` makes.

    Raises:
        UnavailableError: QEMU is not installed.
        subprocess.CalledProcessError: it does not compile; the output says why.
    """
    run = (emulator(), "-cpu", processor, "-L", str(sysroot))
    program = folder / f"fuzz-{vectors}"
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-gnu.2.17"]
    sanitizer = ["-fsanitize=undefined", "-fsanitize-trap=undefined"]
    subprocess.run([*compiler, *sanitizer, *arguments(vectors, NATIVE, program)], check=True, capture_output=True)
    return Harness(program, "undefined", run)


def arguments(vectors: str, native: Path, program: Path, *, main: Path = _HARNESS) -> list[str]:
    """Return the arguments that every compiler takes, for the operator with a program beside it."""
    sources = [str(main), *sorted(map(str, native.glob("*.c")))]
    folders = [f"-I{NATIVE}", f"-I{_HARNESS.parent}"]
    return [*FLAGS, *ALL_VECTORS[vectors], *folders, *sources, "-lm", "-lpthread", "-o", str(program)]


def run_models(harness: Harness, packed: bytes, count: int) -> Outcomes:
    """Run all models of a file that :func:`tests.fuzz.models.pack` made; after a fault, go on with the next."""
    outcomes, first = Outcomes(), 0
    with tempfile.NamedTemporaryFile() as file:
        file.write(packed)
        file.flush()
        while first < count:
            command = [*harness.emulator, str(harness.program), file.name, str(first)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | ENVIRONMENT)
            begun = _note(outcomes, done.stdout.splitlines())
            if done.returncode == 0:
                break
            pending = begun not in outcomes.done.keys() | outcomes.refused.keys()
            outcomes.faults[begun if pending else -1] = reason_of(done)
            first = begun + 1
    return outcomes


def _note(outcomes: Outcomes, lines: Sequence[str]) -> int:
    """Note the outcomes that the harness printed, and return the number of the last model it began."""
    begun = -1
    for line in lines:
        number, word, *rest = line.split("\t", 2)
        if word == "begun":
            begun = int(number)
        else:
            (outcomes.done if word == "done" else outcomes.refused)[int(number)] = rest[0]
    return begun


def reason_of(done: "subprocess.CompletedProcess[str]") -> str:
    """Return what a program that failed says of it."""
    lines = [line for line in done.stderr.splitlines() if any(word in line for word in _REASONS)]
    if done.returncode == -signal.SIGALRM:
        return "hangs"
    return lines[-1] if lines else f"exit status {done.returncode}: {done.stderr[-200:]}"
