"""Catch spam on the device: a quantised DistilBERT behind a small, torch-free runtime.

>>> from spam_edge import SpamClassifier
>>> classifier = SpamClassifier.load("artifacts/bundle")
>>> classifier.classify("WINNER!! Call 09061701461 to claim your prize").label
'SPAM'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spam_edge.classifier import Prediction, SpamClassifier
    from spam_edge.errors import (
        BundleIntegrityError,
        BundleNotFoundError,
        InputError,
        ManifestError,
        OperatingPointError,
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
    "OperatingPointError",
    "Prediction",
    "ProviderUnavailableError",
    "RuntimeOptions",
    "SpamClassifier",
    "SpamEdgeError",
    "__version__",
]

_HOMES = {"SpamClassifier": "classifier", "Prediction": "classifier", "RuntimeOptions": "session"}


def __getattr__(name: str) -> Any:
    # Names are looked up on first use, so that `spam-edge --help` does not wait for numpy.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return __all__
