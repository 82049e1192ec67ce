"""Errors of the export. Each aborts it before the bundle is renamed into place."""

from spam_edge.errors import SpamEdgeError


class ExportError(SpamEdgeError):
    """The checkpoint cannot be exported, or a conversion produced an unexpected graph."""


class GateError(ExportError):
    """The exported files failed the gate."""
