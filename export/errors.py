"""The errors of an export. Each ends it with nothing under the bundle's name."""

from spam_edge.errors import SpamEdgeError


class ExportError(SpamEdgeError):
    """The checkpoint cannot be exported, or a conversion did not give the graph that was relied on."""


class GateError(ExportError):
    """The exported files do not say what PyTorch says."""
