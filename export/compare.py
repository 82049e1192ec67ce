"""``python -m export.compare``: compare a bundle with its checkpoint on the test split and on labelled files."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from export.checkpoint import Checkpoint
from export.command_options import bundle_option, checkpoint_option
from export.parity.gate import compare
from export.reference import PyTorchReference
from spam_edge.classifier import SpamClassifier
from spam_edge.decision.comparison import Decision
from spam_edge.errors import SpamEdgeError
from spam_edge.options import VARIANTS, RuntimeOptions
from spam_edge.training.data.readers import CorpusOptions, read_messages
from spam_edge.training.metrics.metric import recall_at_fpr

_FPR = 0.001


@click.command(
    epilog="Example: python -m export.compare mine.csv",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@bundle_option
@checkpoint_option
@click.option("--variant", type=click.Choice(VARIANTS), default="int8", help="Variant of the bundle.")
def main(files: tuple[Path, ...], bundle: Path, checkpoint: Path, variant: str) -> None:
    """Compare the scores of a bundle with PyTorch on the test split and on labelled FILES.

    FILES are read as in training.
    """
    try:
        for line in _compare(files, bundle, Checkpoint.read(checkpoint), variant):
            click.echo(line)
    except SpamEdgeError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _compare(files: tuple[Path, ...], bundle: Path, checkpoint: Checkpoint, variant: str) -> Iterator[str]:
    classifier = SpamClassifier.load(bundle, RuntimeOptions(device="cpu", variant=variant))
    reference = PyTorchReference(checkpoint.path, max_length=checkpoint.max_length)
    manifest = classifier.manifest
    decision = Decision.of(manifest)
    yield (
        f"{'messages':24} {'n':>6} {'max|dp|':>8} {'mean|dp|':>9} {'flips':>6} "
        f"{f'recall at {_FPR:.1%} FPR: PyTorch, {classifier.variant}':>50}"
    )
    for name, texts, is_positive in _message_sets(files, checkpoint):
        expected, measured = reference.logits(texts), classifier.logits(texts)
        parity = compare(variant, name, measured=measured, reference=expected, decision=decision)
        recalls = [
            recall_at_fpr(decision.calibration.scores(logits), is_positive, _FPR) for logits in (expected, measured)
        ]
        yield (
            f"{name:24} {parity.n:>6} {parity.max_abs_dp:>8.4f} {parity.mean_abs_dp:>9.6f} {parity.flips:>6} "
            f"{recalls[0]:>43.4f} {recalls[1]:.4f}"
        )


def _message_sets(
    files: tuple[Path, ...], checkpoint: Checkpoint
) -> Iterator[tuple[str, list[str], NDArray[np.int64]]]:
    yield "test split", checkpoint.test.texts, checkpoint.test.is_positive
    for path in files:
        messages = read_messages(path, CorpusOptions())
        is_positive = np.array([message.is_spam for message in messages], dtype=np.int64)
        yield f"{path.parent.name}/{path.name}", [message.text for message in messages], is_positive


if __name__ == "__main__":
    main()
