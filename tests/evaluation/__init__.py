"""Measure spam-edge's classification quality against baselines: ``make evaluate``."""
