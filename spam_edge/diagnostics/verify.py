"""Verify a bundle on this machine: checksums, token ids, parity with PyTorch and batch invariance."""

import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.checks import entries, load_json, number
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.classifier import SpamClassifier
from spam_edge.decision.comparison import Decision
from spam_edge.diagnostics.report import Check, VerificationReport
from spam_edge.errors import BundleIntegrityError
from spam_edge.options import RuntimeOptions

PARITY_NAME = "parity.json"
_LIMITS = ("max_abs_dp", "max_batch_dp")


def verify_bundle(
    location: str | os.PathLike[str] | None = None, options: RuntimeOptions | None = None
) -> VerificationReport:
    """Verify every file of a bundle and compare this machine's scores with PyTorch on the golden messages.

    It runs in this process, without limits: a bundle that was made to harm can exhaust the memory or never end. For
    one of unknown origin, use :func:`spam_edge.diagnostics.verify_subprocess.verify_in_subprocess`.

    Raises:
        SpamEdgeError: no bundle exists, a file is damaged or no session can be opened.
    """
    options = options or RuntimeOptions()
    bundle = Bundle.find(location, digest=options.digest)
    bundle.verify()
    classifier = SpamClassifier(bundle, options)
    golden = Golden.read(bundle)
    limits = _replay_limits(bundle, classifier.variant)
    together = classifier.logits(golden.texts)
    alone = np.concatenate([classifier.logits([text]) for text in golden.texts])
    checks = (
        Check("files", ok=True, detail=f"{len(bundle.manifest.files)} files match the checksums of the manifest"),
        _check_tokens(classifier, golden),
        _check_scores(classifier, "parity with PyTorch", together, golden.logits, limit=limits["max_abs_dp"]),
        _check_scores(classifier, "batch invariance", alone, together, limit=limits["max_batch_dp"]),
    )
    return VerificationReport(str(bundle.path), bundle.digest, classifier.variant, classifier.provider, checks)


def _replay_limits(bundle: Bundle, variant: str) -> Mapping[str, float]:
    content = bundle.read(PARITY_NAME)
    try:
        limits = entries(load_json(content)["replay_limits"][variant], f"replay_limits.{variant}")
        return {name: number(limits[name], f"replay_limits.{variant}.{name}") for name in _LIMITS}
    except (ValueError, KeyError, TypeError) as error:
        path = bundle.file(PARITY_NAME)
        raise BundleIntegrityError(f"{path} cannot be read ({error!r}); export the bundle again") from error


def _check_tokens(classifier: SpamClassifier, golden: Golden) -> Check:
    found = classifier.token_ids(golden.texts)
    wrong = sum(ours != theirs for ours, theirs in zip(found, golden.token_ids, strict=True))
    detail = f"{len(found) - wrong} of {len(found)} messages have the token ids of the original tokenizer"
    return Check("token ids", wrong == 0, detail)


def _check_scores(
    classifier: SpamClassifier,
    name: str,
    measured: NDArray[np.float32],
    reference: NDArray[np.float32],
    *,
    limit: float,
) -> Check:
    found = Decision.of(classifier.manifest).compare(measured, reference)
    flips = f"{found.flips} label flip{'s' * (found.flips != 1)} on {len(measured)} messages"
    detail = f"max |dp| {found.largest:.2g} (limit {limit:.2g}), {flips}"
    # A label can flip only where the score is within the limit of the threshold.
    return Check(name, found.largest <= limit, detail)
