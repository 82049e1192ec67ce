"""Replay on this machine what was measured at export: hashes, token ids, scores, batching."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle import Bundle
from spam_edge.classifier import SpamClassifier
from spam_edge.errors import BundleIntegrityError
from spam_edge.scores import probabilities
from spam_edge.session import RuntimeOptions

GOLDEN_NAME = "golden.jsonl"
PARITY_NAME = "parity.json"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report: what was looked at, how it ended, and the figures."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """All checks of one bundle on this machine."""

    bundle: str
    digest: str
    variant: str
    provider: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, the verdict included."""
        return asdict(self) | {"ok": self.ok}


@dataclass(frozen=True, slots=True)
class Golden:
    """Messages with what the original tokenizer and PyTorch made of them.

    Attributes:
        texts: the messages.
        token_ids: ids by message, special tokens included.
        logits: shape (messages, labels).
    """

    texts: list[str]
    token_ids: list[list[int]]
    logits: NDArray[np.float32]

    @classmethod
    def read(cls, bundle: Bundle) -> "Golden":
        """Read ``golden.jsonl``.

        Raises:
            BundleIntegrityError: it is missing or broken.
        """
        try:
            lines = bundle.file(GOLDEN_NAME).read_bytes().splitlines()
            rows = [json.loads(line) for line in lines]
            logits = np.array([row["logits"] for row in rows], dtype=np.float32)
            return cls([row["text"] for row in rows], [row["input_ids"] for row in rows], logits)
        except (OSError, ValueError, KeyError, TypeError) as error:
            path = bundle.file(GOLDEN_NAME)
            raise BundleIntegrityError(f"{path} cannot be read ({error}); export the bundle again") from error


def verify_bundle(
    location: str | os.PathLike[str] | None = None, options: RuntimeOptions | None = None
) -> VerificationReport:
    """Check every file of a bundle, and that this machine gives the verdicts PyTorch gave.

    Raises:
        SpamEdgeError: there is no bundle, a file is damaged, or no session can be opened: nothing to replay.
    """
    bundle = Bundle.find(location)
    bundle.verify()
    classifier = SpamClassifier(bundle, options or RuntimeOptions())
    golden = Golden.read(bundle)
    limits = _replay_limits(bundle, classifier.variant)
    together = classifier.logits(golden.texts)
    alone = np.concatenate([classifier.logits([text]) for text in golden.texts])
    checks = (
        Check("files", ok=True, detail=f"{len(bundle.manifest.files)} files have the sha256 of the manifest"),
        _check_tokens(classifier, golden),
        _check_scores(classifier, "against PyTorch", together, golden.logits, limit=limits["max_abs_dp"]),
        _check_scores(classifier, "alone or in a batch", alone, together, limit=limits["max_batch_dp"]),
    )
    return VerificationReport(str(bundle.path), bundle.digest, classifier.variant, classifier.provider, checks)


def _replay_limits(bundle: Bundle, variant: str) -> Mapping[str, float]:
    path = bundle.file(PARITY_NAME)
    try:
        limits: Mapping[str, float] = json.loads(path.read_bytes())["replay_limits"][variant]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleIntegrityError(f"{path} cannot be read ({error!r}); export the bundle again") from error
    return limits


def _check_tokens(classifier: SpamClassifier, golden: Golden) -> Check:
    found = classifier.token_ids(golden.texts)
    wrong = sum(ours != theirs for ours, theirs in zip(found, golden.token_ids, strict=True))
    return Check("token ids", wrong == 0, f"{len(found) - wrong} of {len(found)} messages have the ids of the original")


def _check_scores(
    classifier: SpamClassifier,
    name: str,
    measured: NDArray[np.float32],
    reference: NDArray[np.float32],
    *,
    limit: float,
) -> Check:
    manifest = classifier.manifest
    ours, theirs = (
        probabilities(logits, temperature=manifest.temperature, positive_index=manifest.positive_index)
        for logits in (measured, reference)
    )
    difference = float(np.abs(ours - theirs).max())
    flips = int(((ours >= manifest.threshold) != (theirs >= manifest.threshold)).sum())
    detail = f"max |dp| {difference:.2g} (limit {limit:.2g}), {flips} label flips on {len(ours)} messages"
    return Check(name, flips == 0 and difference <= limit, detail)
