"""Run the fused operator in several threads, sessions and processes under sanitizers: ``make sanitize``."""

import sys
import tempfile
from pathlib import Path

import click

from tests.fuzz.runs import NATIVE, ROOT
from tests.sanitizers.runs import CHECKS, SANITIZERS, CompilerError, compile_stress, run_stress, write_model
from tests.support.vectors import fused_vectors

TINY = ROOT / "tests" / "data" / "tiny_bundle"


@click.command()
@click.option("--only", type=click.Choice(SANITIZERS), help="Sanitizer to run [default: one after the other].")
@click.option("--native", type=click.Path(path_type=Path, file_okay=False), default=NATIVE, help="C code to run.")
def main(only: str | None, native: Path) -> None:
    """Run the operator for each instruction set of this processor with each sanitizer.

    $CC, by default cc, must have AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer, as gcc and clang of
    Linux distributions do. Exits with 1 after a fault, and with 2 without such a compiler.
    """
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(TINY, folder / "model")
        for sanitizer in SANITIZERS if only is None else (only,):
            for vectors in fused_vectors():
                try:
                    program = compile_stress(sanitizer, vectors, folder, native)
                except CompilerError as error:
                    raise click.UsageError(str(error)) from error
                passed, reason = run_stress(program, folder / "model")
                click.echo(f"{vectors}, sanitizers {sanitizer}: {len(passed)} of {len(CHECKS)} checks passed")
                if reason:
                    click.echo(f"  {(*CHECKS, 'the end')[len(passed)]}: {reason}")
                failed |= bool(reason)
    sys.exit(failed)


if __name__ == "__main__":
    main()
