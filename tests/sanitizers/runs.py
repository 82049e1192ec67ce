"""Compile the operator with a sanitizer, and run it in several threads, sessions and processes; see stress.c."""

import os
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from tests.fuzz.models import pack, sound_batch, sound_model
from tests.fuzz.runs import ENVIRONMENT, NATIVE, arguments, reason_of

SANITIZERS = ("address,undefined", "thread")
CHECKS = (
    "sizes and numbers of threads",
    "packed weights",
    "refused input",
    "sessions side by side",
    "forks during runs",
    "refused threads",
    "refused memory",
)
"""What stress.c checks, in this order."""
_MAIN = Path(__file__).parent / "stress.c"
# The program hands out memory and threads, and refuses them.
_REPLACED = ("-Dmalloc=stress_malloc", "-Dcalloc=stress_calloc", "-Dpthread_create=stress_start")
_ENVIRONMENT = ENVIRONMENT | {"TSAN_OPTIONS": "die_after_fork=0:halt_on_error=1:second_deadlock_stack=1"}


class CompilerError(Exception):
    """No compiler here has the sanitizer; the message says what to install."""


def compile_stress(sanitizer: str, vectors: str, folder: Path, native: Path = NATIVE) -> Path:
    """Compile the operator for an instruction set with a sanitizer, and the program that runs it.

    Args:
        sanitizer: one of ``SANITIZERS``, an argument of ``-fsanitize``.
        vectors: name of the instruction set.
        folder: where to write the program.
        native: C code of the operator.

    Raises:
        CompilerError: ``$CC``, by default cc, does not compile it.
    """
    program = folder / f"stress-{sanitizer.replace(',', '-')}-{vectors}"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    command = [*compiler, f"-fsanitize={sanitizer}", *_REPLACED, *arguments(vectors, native, program, main=_MAIN)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        raise CompilerError(
            f"{shlex.join(compiler)} does not compile with -fsanitize={sanitizer} ({reason}); install gcc or clang "
            "with its sanitizers, as the Debian package gcc has them, or name one with CC="
        ) from error
    return program


def write_model(bundle: Path, path: Path) -> None:
    """Write the file that stress.c reads."""
    sound = sound_model(bundle, sound_batch())
    path.write_bytes(pack(sound, [replace(sound, replaced={})]))


def run_stress(program: Path, model: Path) -> tuple[list[str], str]:
    """Return the checks that passed, and what is wrong with the next one, empty if all did."""
    # ThreadSanitizer maps memory at fixed addresses, which some systems give to the program.
    fixed = ["setarch", "--addr-no-randomize"] if shutil.which("setarch") else []
    command = [*fixed, str(program), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | _ENVIRONMENT)
    return done.stdout.splitlines(), reason_of(done) if done.returncode else ""
