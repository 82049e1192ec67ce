"""Logits to labels: calibration, operating points and confidence intervals."""
