"""Measure exported files against PyTorch through the runtime, and gate the export on the result."""
