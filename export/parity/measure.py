"""Run exported files through the runtime and compare their logits with those of PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.bundle_files import PACKED_FILE, ROUNDED
from export.checkpoint import Checkpoint
from export.errors import GateError
from export.parity.by_definition import packed_logits
from export.parity.gate import Parity, compare
from export.reference import PyTorchReference
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import Manifest
from spam_edge.classifier import SpamClassifier
from spam_edge.decision.comparison import Decision
from spam_edge.options import RuntimeOptions


@dataclass(frozen=True, slots=True)
class Logits:
    """Logits of PyTorch or of one variant on three sets of messages, each of shape (messages, 2)."""

    validation: NDArray[np.float32]
    test: NDArray[np.float32]
    golden: NDArray[np.float32]


def run_pytorch(reference: PyTorchReference, checkpoint: Checkpoint, golden: Golden) -> Logits:
    """Return the logits of PyTorch."""
    return Logits(reference.logits(checkpoint.validation.texts), reference.logits(checkpoint.test.texts), golden.logits)


def run_variant(folder: Path, manifest: Manifest, variant: str, checkpoint: Checkpoint, golden: Golden) -> Logits:
    """Return the logits of one variant of an unfinished bundle on the CPU.

    Only the rounded int8 variants run on the validation messages: nothing is fitted on the others.

    Raises:
        GateError: the runtime's token ids differ from those of the original tokenizer.
    """
    classifier = open_variant(folder, manifest, variant)
    if classifier.token_ids(golden.texts) != golden.token_ids:
        raise GateError(
            "the gate failed, nothing was exported: the runtime's token ids differ from the tokenizer's; "
            "install the versions in constraints.txt"
        )
    return Logits(
        classifier.logits(checkpoint.validation.texts if variant in ROUNDED else []),
        classifier.logits(checkpoint.test.texts),
        classifier.logits(golden.texts),
    )


def compare_variants(measured: Mapping[str, Logits], expected: Logits, decision: Decision) -> list[Parity]:
    """Compare every variant with PyTorch on the test split and on the golden set."""
    return [
        compare(variant, rows, measured=getattr(logits, rows), reference=getattr(expected, rows), decision=decision)
        for variant, logits in measured.items()
        for rows in ("test", "golden")
    ]


def compare_packed(folder: Path, manifest: Manifest, golden: Golden, reference: PyTorchReference) -> Parity:
    """Compare the fp16 graph without padding with PyTorch, by the definitions of its operators.

    The messages are the golden set, each in its first text variant.
    """
    measured = packed_logits(folder / PACKED_FILE, golden.token_ids, pad_token_id=manifest.pad_token_id)
    expected = reference.first_view_logits(golden.texts)
    return compare("fp16", "golden, packed", measured=measured, reference=expected, decision=Decision.of(manifest))


def largest_margin_error(measured: Logits, expected: Logits) -> float:
    """Return the largest difference of a logit margin over all three sets of messages."""

    def margins(logits: Logits) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = np.concatenate([logits.validation, logits.test, logits.golden])
        return rows[:, 1] - rows[:, 0]

    return float(np.abs(margins(measured) - margins(expected)).max())


def batch_dependence(classifier: SpamClassifier, golden: Golden) -> float:
    """Return the largest score difference of a golden message between a batch and a run alone."""
    alone = np.concatenate([classifier.score([text]) for text in golden.texts])
    return float(np.abs(alone - classifier.score(golden.texts)).max())


def open_variant(folder: Path, manifest: Manifest, variant: str, *, device: str = "cpu") -> SpamClassifier:
    """Open one variant of an unfinished bundle."""
    options = RuntimeOptions(device=device, variant=variant, verify=False)
    return SpamClassifier(Bundle(folder, manifest, digest=""), options)
