"""Diagnostics of a classifier: verification, explanation, description and drift."""
