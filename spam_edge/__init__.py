"""Classify spam on the device: a quantised DistilBERT with a small, torch-free runtime.

>>> from spam_edge import SpamClassifier
>>> classifier = SpamClassifier.load("artifacts/bundle")
>>> classifier.classify("WINNER!! Call 09061701461 to claim your prize").label
'SPAM'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spam_edge.classifier import SpamClassifier
    from spam_edge.errors import (
        BundleIntegrityError,
        BundleNotFoundError,
        InputError,
        ManifestError,
        OperatingPointError,
        ProviderUnavailableError,
        SpamEdgeError,
    )
    from spam_edge.options import RuntimeOptions
    from spam_edge.prediction import Prediction

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

_HOMES = {"SpamClassifier": "classifier", "Prediction": "prediction", "RuntimeOptions": "options"}


def __getattr__(name: str) -> Any:
    # Lazy imports (PEP 562): `spam-edge --help` must not load numpy.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return __all__
