"""Fuzzing of the fused operator: malformed models under sanitizers. ``python -m tests.fuzz --help`` lists options."""
