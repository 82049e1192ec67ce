"""Compile the operator and the text library with a sanitizer, and run them; see stress.c and text.c."""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.fuzz.models import pack, sound_batch, sound_model
from tests.fuzz.runs import ENVIRONMENT, FLAGS, NATIVE, arguments, reason_of

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
TEXT_CHECKS = ("random messages", "threads", "refused memory", "refused words", "vocabularies in JSON")
"""What text.c checks, in this order."""
_TEXT_MAIN = Path(__file__).parent / "text.c"
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
    _compile(sanitizer, [*_REPLACED, *arguments(vectors, native, program, main=_MAIN)])
    return program


def compile_text(sanitizer: str, folder: Path, native: Path = NATIVE) -> Path:
    """Compile the text library with a sanitizer, and the program that runs it.

    Args:
        sanitizer: one of ``SANITIZERS``.
        folder: where to write the program.
        native: C code of the operator, with that of the library in ``text``.

    Raises:
        CompilerError: see :func:`compile_stress`.
    """
    program = folder / f"text-{sanitizer.replace(',', '-')}"
    sources = [str(_TEXT_MAIN), *sorted(map(str, (native / "text").glob("*.c")))]
    _compile(sanitizer, [_REPLACED[0], *FLAGS, f"-I{native}", *sources, "-lpthread", "-o", str(program)])
    return program


def _compile(sanitizer: str, rest: Sequence[str]) -> None:
    compiler = shlex.split(os.environ.get("CC", "cc"))
    command = [*compiler, f"-fsanitize={sanitizer}", *rest]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        raise CompilerError(
            f"{shlex.join(compiler)} does not compile with -fsanitize={sanitizer} ({reason}); install gcc or clang "
            "with its sanitizers, as the Debian package gcc has them, or name one with CC="
        ) from error


def write_model(bundle: Path, path: Path) -> None:
    """Write the file that stress.c reads."""
    sound = sound_model(bundle, sound_batch())
    path.write_bytes(pack(sound, [replace(sound, replaced={})]))


def write_words(bundle: Path, path: Path) -> None:
    """Write the file that text.c reads."""
    vocabulary = json.loads((bundle / "tokenizer.json").read_bytes())["model"]["vocab"]
    path.write_bytes("".join(f"{word}\n" for word in vocabulary).encode("latin-1", "backslashreplace"))


def run_stress(program: Path, file: Path) -> tuple[list[str], str]:
    """Run a program with the file that it reads.

    Returns:
        The checks that passed, and what is wrong with the next one, empty if all did.
    """
    # ThreadSanitizer maps memory at fixed addresses, which some systems give to the program.
    fixed = ["setarch", "--addr-no-randomize"] if shutil.which("setarch") else []
    command = [*fixed, str(program), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | _ENVIRONMENT)
    return done.stdout.splitlines(), reason_of(done) if done.returncode else ""
