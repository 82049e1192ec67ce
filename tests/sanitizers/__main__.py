"""Run the fused operator, and the text library, in several threads under sanitizers: ``make sanitize``."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from tests.fuzz.runs import NATIVE, ROOT
from tests.sanitizers.runs import (
    CHECKS,
    SANITIZERS,
    TEXT_CHECKS,
    CompilerError,
    compile_stress,
    compile_text,
    run_stress,
    write_model,
    write_words,
)
from tests.support.vectors import fused_vectors

TINY = ROOT / "tests" / "data" / "tiny_bundle"


@click.command()
@click.option("--only", type=click.Choice(SANITIZERS), help="Sanitizer to run [default: one after the other].")
@click.option("--native", type=click.Path(path_type=Path, file_okay=False), default=NATIVE, help="C code to run.")
def main(only: str | None, native: Path) -> None:
    """Run the text library, and the operator for each instruction set of this processor, with each sanitizer.

    $CC, by default cc, must have AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer, as gcc and clang of
    Linux distributions do. Exits with 1 after a fault, and with 2 without such a compiler.
    """
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, words = folder / "model", folder / "words"
        write_model(TINY, model)
        write_words(TINY, words)
        for sanitizer in SANITIZERS if only is None else (only,):
            try:
                failed |= _run("text", sanitizer, compile_text(sanitizer, folder, native), words, TEXT_CHECKS)
                for vectors in fused_vectors():
                    program = compile_stress(sanitizer, vectors, folder, native)
                    failed |= _run(vectors, sanitizer, program, model, CHECKS)
            except CompilerError as error:
                raise click.UsageError(str(error)) from error
    sys.exit(failed)


def _run(title: str, sanitizer: str, program: Path, file: Path, checks: Sequence[str]) -> bool:
    """Run a program, print the outcome, and return whether it failed."""
    passed, reason = run_stress(program, file)
    click.echo(f"{title}, sanitizers {sanitizer}: {len(passed)} of {len(checks)} checks passed")
    if reason:
        click.echo(f"  {(*checks, 'the end')[len(passed)]}: {reason}")
    return bool(reason)


if __name__ == "__main__":
    main()
