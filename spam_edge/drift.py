"""Public import path of :mod:`spam_edge.diagnostics.drift`."""

from spam_edge.diagnostics.drift import DriftMonitor, DriftReport, Shares

__all__ = ["DriftMonitor", "DriftReport", "Shares"]
