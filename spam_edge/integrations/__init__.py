"""Integrations with data frameworks, one independent module each.

Each module imports its framework on first use; if it is missing, the error names the extra to install.
"""
