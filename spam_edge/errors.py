"""The errors this package raises on purpose.

    SpamEdgeError
    ├── BundleNotFoundError       no bundle at the place that was asked for
    ├── ManifestError             manifest.json cannot be read or says something impossible
    ├── BundleIntegrityError      a file of the bundle is missing, changed or does not match the others
    ├── ProviderUnavailableError  onnxruntime, or the device asked of it, is not usable here
    ├── OperatingPointError       the mode or the rate asked for is none that the bundle can keep to
    ├── InputError                the data handed in cannot be read as messages
    ├── JobError                  a batch job may not begin or go on: its output, its options, what it began with
    └── WorkerError               the workers of a batch job keep dying, or cannot be reached

Every message says what is wrong, where, and what to do next, on one line.
"""


class SpamEdgeError(Exception):
    """Root of all errors raised by spam-edge; catching it catches nothing else."""


class BundleNotFoundError(SpamEdgeError):
    """There is no bundle at the path given, in ``SPAM_EDGE_MODEL`` or in ``./artifacts/bundle``."""


class ManifestError(SpamEdgeError):
    """``manifest.json`` is not valid JSON, lacks a field or holds an impossible value."""


class BundleIntegrityError(SpamEdgeError):
    """A file of the bundle is missing, has another hash than the manifest says, or does not fit the rest."""


class ProviderUnavailableError(SpamEdgeError):
    """onnxruntime is missing, installed twice, or cannot run on the device that was asked for."""


class OperatingPointError(SpamEdgeError):
    """The bundle has no such mode, or its validation scores allow no threshold for the rate asked for."""


class InputError(SpamEdgeError):
    """The input cannot be read as messages: wrong encoding, missing column, broken line, not text."""


class JobError(SpamEdgeError):
    """A batch job may not write where it should, or not go on with what was begun otherwise."""


class WorkerError(SpamEdgeError):
    """The workers of a batch job died again and again, or the cluster they are on cannot be used."""
