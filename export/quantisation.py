"""``python -m export.quantisation``: measure other ways to make the int8 file, and put them into the card."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from export.amend import amend, require_place
from export.candidates import STOCK, Candidate, format_candidates, measure_candidates
from export.checkpoint import Checkpoint
from export.errors import ExportError
from export.gate import Decision
from export.markdown import table
from export.quantize import Quantizer
from export.reference import PyTorchReference
from spam_edge.bundle import Bundle, sha256_of
from spam_edge.errors import SpamEdgeError
from spam_edge.verification import PARITY_NAME, Golden

_PLACE = "quantisation"
_READING = f"""\
Other ways to make the int8 file, measured beside it. Speed is messages per second on one thread in relation to
"{STOCK}", all timed in turns; each line after the second is the one before with one thing more, or the same run in
another way.

"""


@click.command(
    epilog="Example: python -m export.quantisation --bundle artifacts/bundle",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.option("--bundle", type=click.Path(path_type=Path), default=Path("artifacts/bundle"), help="The bundle.")
@click.option(
    "--checkpoint", type=click.Path(path_type=Path), default=Path("artifacts/checkpoint"), help="What it was made from."
)
def main(bundle: Path, checkpoint: Path) -> None:
    """Measure other ways to quantise the checkpoint of a bundle, and quote them in its model card.

    The figures stand in parity.json, too. Keep the machine quiet: speed is measured.
    """
    try:
        candidates = compare_ways(Bundle.find(bundle), Checkpoint.read(checkpoint))
    except SpamEdgeError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    click.echo(format_candidates(candidates), err=True)


def compare_ways(bundle: Bundle, checkpoint: Checkpoint) -> list[Candidate]:
    """Measure every way, and write the figures into the card and ``parity.json`` of the bundle.

    Raises:
        ExportError: the bundle was made from another checkpoint, or its card has no place for the figures.
    """
    shipped = bundle.manifest.provenance["export"]["weights_sha256"]
    if sha256_of(checkpoint.path / "model.safetensors") != shipped:
        raise ExportError(f"{bundle.path} was not made from {checkpoint.path}; name its --checkpoint, or export again")
    bundle.verify()
    require_place(bundle, _PLACE)
    reference = PyTorchReference(checkpoint.path, max_length=checkpoint.max_length)
    candidates = measure_candidates(
        checkpoint,
        Quantizer(checkpoint, reference),
        reference,
        golden=Golden.read(bundle),
        decision=Decision.of(bundle.manifest),
    )
    measured = json.loads(bundle.file(PARITY_NAME).read_bytes())
    measured["candidates"] = [candidate.to_dict() for candidate in candidates]
    amend(bundle, _PLACE, _READING + _table(candidates), files={PARITY_NAME: json.dumps(measured, indent=2) + "\n"})
    return candidates


def _table(candidates: Sequence[Candidate]) -> str:
    header = ["int8 file", "MB", "speed", "max score difference, test", "mean", "golden", "flips", "moved by its batch"]
    rows = [
        [
            candidate.name,
            f"{candidate.bytes / 1e6:.1f}",
            f"{candidate.speed:.2f}",
            f"{candidate.test.max_abs_dp:.4f}",
            f"{candidate.test.mean_abs_dp:.5f}",
            f"{candidate.golden.max_abs_dp:.4f}",
            candidate.test.flips + candidate.golden.flips,
            f"{candidate.max_abs_dp_in_batch:.4f}",
        ]
        for candidate in candidates
    ]
    return table(header, rows)


if __name__ == "__main__":
    main(prog_name="python -m export.quantisation")
