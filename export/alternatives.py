"""``python -m export.alternatives``: measure alternative int8 files and add them to the model card."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from export.checkpoint import Checkpoint
from export.command_options import bundle_option, checkpoint_option
from export.parity.candidates import STOCK, Candidate, format_candidates, measure_candidates
from export.quantization.quantize import Quantizer
from export.reference import PyTorchReference
from export.report.amend import amend, require_place
from export.report.markdown import table
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.decision.comparison import Decision
from spam_edge.diagnostics.verify import PARITY_NAME
from spam_edge.errors import SpamEdgeError

_PLACE = "quantisation"
_READING = f"""\
Alternative int8 files, measured in one run. Speed is messages per second on one thread relative to "{STOCK}", timed in
alternation. From the third line on, each line adds one technique to the line above or runs the same model as one
operator.

"""


@click.command(
    epilog="Example: python -m export.alternatives --bundle artifacts/bundle",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@bundle_option
@checkpoint_option
def main(bundle: Path, checkpoint: Path) -> None:
    """Measure alternative int8 files for a bundle and add them to its model card.

    The figures are written to parity.json, too. Speed is measured: keep the machine idle.
    """
    try:
        candidates = compare_ways(Bundle.find(bundle), Checkpoint.read(checkpoint))
    except SpamEdgeError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    click.echo(format_candidates(candidates), err=True)


def compare_ways(bundle: Bundle, checkpoint: Checkpoint) -> list[Candidate]:
    """Measure every candidate, and write the figures into the card and ``parity.json`` of the bundle.

    Raises:
        ExportError: the bundle was made from another checkpoint, or its card has no section for the figures.
    """
    checkpoint.require_bundle(bundle)
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
    header = [
        "int8 file",
        "MB",
        "speed",
        "max score difference, test",
        "mean, test",
        "max, golden",
        "label flips",
        "max score change in a batch",
    ]
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
    main(prog_name="python -m export.alternatives")
