"""Run malformed models in the fused operator under sanitizers: ``make fuzz``."""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import click

from tests.fuzz.models import malformed_models, pack, sound_batch, sound_model
from tests.fuzz.runs import NATIVE, ROOT, Outcomes, compile_harness, run_models
from tests.support.vectors import fused_vectors

TINY = ROOT / "tests" / "data" / "tiny_bundle"


@click.command()
@click.option("--models", default=20_000, show_default=True, help="Number of models, per instruction set.")
@click.option("--seed", default=0, show_default=True, help="Another seed gives other models.")
@click.option("--native", type=click.Path(path_type=Path, file_okay=False), default=NATIVE, help="C code to run.")
def main(models: int, seed: int, native: Path) -> None:
    """Run malformed models, and report what became of them. Exits with 1 after a fault, a hang or a leak."""
    sound = sound_model(TINY, sound_batch())
    packed = pack(sound, list(malformed_models(sound, models, seed)))
    failed = False
    for vectors in fused_vectors():
        with tempfile.TemporaryDirectory() as folder:
            harness = compile_harness(vectors, Path(folder), native)
            outcomes = run_models(harness, packed, models)
        click.echo(f"{vectors}, sanitizers {harness.sanitizers}, seed {seed}, {models:,} models: {_summary(outcomes)}")
        for number, reason in outcomes.faults.items():
            click.echo(f"  model {number}: {reason}")
        failed |= bool(outcomes.faults)
    sys.exit(failed)


def _summary(outcomes: Outcomes) -> str:
    hangs = Counter(outcomes.faults.values())["hangs"]
    return (
        f"{len(outcomes.refused):,} refused, {len(outcomes.done):,} ran, "
        f"{len(outcomes.faults) - hangs:,} faults, {hangs:,} hangs"
    )


if __name__ == "__main__":
    main()
