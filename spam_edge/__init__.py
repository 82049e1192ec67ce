"""Catch spam on the device: a quantised DistilBERT behind a small, torch-free runtime.

    >>> from spam_edge import SpamClassifier
    >>> classifier = SpamClassifier.load("artifacts/bundle")
    >>> classifier.classify("WINNER!! Call 09061701461 to claim your prize").label
    'SPAM'
"""

from spam_edge.classifier import Prediction, SpamClassifier
from spam_edge.errors import (
    BundleIntegrityError,
    BundleNotFoundError,
    InputError,
    ManifestError,
    ProviderUnavailableError,
    SpamEdgeError,
)
from spam_edge.session import RuntimeOptions

__version__ = "0.1.0"

__all__ = [
    "BundleIntegrityError",
    "BundleNotFoundError",
    "InputError",
    "ManifestError",
    "Prediction",
    "ProviderUnavailableError",
    "RuntimeOptions",
    "SpamClassifier",
    "SpamEdgeError",
    "__version__",
]
