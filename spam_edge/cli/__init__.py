"""The command line ``spam-edge``: one module per command, imported on demand."""

from spam_edge.cli.group import main

__all__ = ["main"]
