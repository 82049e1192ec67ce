"""Run make as a user would, also when the tests run under ``make test``."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def planned(*arguments: str) -> str:
    """Return the commands that ``make`` would run."""
    return output("--dry-run", *arguments)


def output(*arguments: str) -> str:
    """Return what ``make`` prints.

    An outer make passes its options and variables in the environment; they would change what the inner one prints.
    """
    outer = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "GNUMAKEFLAGS"}
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
