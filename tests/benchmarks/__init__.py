"""Benchmark spam-edge against other ways to run the same model: ``make bench``."""
