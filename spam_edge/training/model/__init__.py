"""Base models, input encoding, optimiser and hardware detection."""
