"""One classifier per process for each model: what pickled classifiers become where they arrive."""

from pathlib import Path

from spam_edge.bundle import Bundle
from spam_edge.classifier import SpamClassifier
from spam_edge.errors import BundleIntegrityError
from spam_edge.forks import lock_across_forks
from spam_edge.session import RuntimeOptions

_OPENED: dict[tuple[str, RuntimeOptions], SpamClassifier] = {}
_OPENING = lock_across_forks()


def shared_classifier(path: Path, options: RuntimeOptions, digest: str) -> SpamClassifier:
    """Return the classifier of this process for a bundle; whoever asks first opens it, and it stays open.

    Raises:
        BundleIntegrityError: the path holds another bundle than the one of this digest by now.
        SpamEdgeError: whatever else :meth:`SpamClassifier.load` raises.
    """
    key = (digest, options)
    with _OPENING:
        if key not in _OPENED:
            _OPENED[key] = SpamClassifier(_unchanged(path, digest), options)
        return _OPENED[key]


def _unchanged(path: Path, digest: str) -> Bundle:
    bundle = Bundle.find(path)
    if bundle.digest != digest:
        raise BundleIntegrityError(
            f"{path} holds another model than the one this job started with; start the job again"
        )
    return bundle
