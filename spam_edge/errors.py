"""Exceptions raised by this package.

    SpamEdgeError
    ├── BundleNotFoundError       the location holds no bundle
    ├── ManifestError             manifest.json is unreadable or invalid
    ├── BundleIntegrityError      a file of the bundle is missing, changed or refused, or it is not the bundle asked for
    ├── ProviderUnavailableError  onnxruntime or the requested device is not usable
    ├── OperatingPointError       the bundle lacks the mode or cannot show the false-positive rate
    ├── InputError                the input cannot be read as messages
    ├── JobError                  a batch job cannot start or resume: wrong output, options or input
    ├── WorkerError               the workers of a batch job keep dying or cannot be reached
    ├── OptionError               an option is out of range or contradicts another; also a ValueError
    └── ExtraError                an optional dependency is not installed; also an ImportError

Each message states the problem, its location and the remedy on one line.
"""

from spam_edge.escapes import one_line


class SpamEdgeError(Exception):
    """Base class of all exceptions raised by spam-edge. Its text is one line without control characters."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class BundleNotFoundError(SpamEdgeError):
    """No bundle exists at the given path, at ``$SPAM_EDGE_MODEL`` or at ``./artifacts/bundle``."""


class ManifestError(SpamEdgeError):
    """``manifest.json`` is not valid JSON, lacks a field or has an invalid value."""


class BundleIntegrityError(SpamEdgeError):
    """A file is missing, changed, inconsistent or refused, or the bundle is another one or open to other users."""


class ProviderUnavailableError(SpamEdgeError):
    """onnxruntime is missing, installed twice or cannot run on the requested device."""


class OperatingPointError(SpamEdgeError):
    """The bundle lacks the mode, or its validation scores give no threshold for the false-positive rate."""


class InputError(SpamEdgeError):
    """The input cannot be read as messages: wrong encoding, missing column, malformed line or not text."""


class JobError(SpamEdgeError):
    """A batch job may not overwrite its output, or cannot resume with different options or input."""


class WorkerError(SpamEdgeError):
    """The workers of a batch job keep dying, or their cluster is not usable."""


class OptionError(SpamEdgeError, ValueError):
    """An option is out of range, or contradicts another one."""


class ExtraError(SpamEdgeError, ImportError):
    """An optional dependency is not installed."""
