"""Run the blocks of a page in a scratch folder."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from tests.figures.pages import CONSOLE, PYTHON, ROOT, Block, parse_blocks, parse_commands
from tests.support.make import planned

_TIMEOUT = 600  # seconds
_ANNOUNCEMENT = "using ./artifacts/bundle\n"
"""Printed on standard error by nearly every command of the documents, which show it in one place only."""


class Scratch:
    """A folder with a bundle as ``artifacts/bundle``, where ``spam-edge`` runs this code.

    Python blocks share one namespace and run in this process; each command runs in a shell of its own.
    """

    def __init__(self, folder: Path, bundle: Path) -> None:
        """Prepare an existing, empty folder."""
        self._folder = folder
        self._namespace: dict[str, Any] = {"__name__": "documents"}
        (folder / "artifacts").mkdir()
        (folder / "artifacts" / "bundle").symlink_to(bundle, target_is_directory=True)
        programs = folder / ".bin"
        programs.mkdir()
        for name, arguments in (("python", ""), ("spam-edge", " -m spam_edge")):
            script = programs / name
            script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{arguments} "$@"\n')
            script.chmod(0o755)
        self._environment = os.environ | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
            "HF_HUB_OFFLINE": "1",
        }
        self._environment.pop("SPAM_EDGE_MODEL", None)

    def run(self, block: Block) -> list[str]:
        """Run a block and return its output: one string per command, or one for a Python block.

        Raises:
            RuntimeError: a command fails.
        """
        if block.language == CONSOLE:
            return [self._run_command(command.text) for command in parse_commands(block.code)]
        printed = StringIO()
        with chdir(self._folder), redirect_stdout(printed):
            exec(compile(block.code, f"line {block.line}", "exec"), self._namespace)
        return [printed.getvalue()]

    def _run_command(self, text: str) -> str:
        command = _recipe_of(text) if text.startswith("make ") else text
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
            timeout=_TIMEOUT,
        )
        if done.returncode:
            raise RuntimeError(f"$ {text}\nexit code {done.returncode}\n{done.stdout}")
        return done.stdout.replace(_ANNOUNCEMENT, "")


def run_page(text: str, scratch: Scratch, *, trained: bool) -> Iterator[tuple[Block, list[str]]]:
    """Run the blocks of a page in order and yield each with its output.

    Args:
        text: the page.
        scratch: where the blocks run.
        trained: the bundle is the one of ``make train export``.
    """
    for block in parse_blocks(text):
        runnable = block.language in {CONSOLE, PYTHON} and block.not_run is None
        if runnable and (trained or not block.needs_trained_bundle):
            yield block, scratch.run(block)


def _recipe_of(text: str) -> str:
    """Return the last command of a make target's recipe, with the interpreter of this process."""
    return "python " + planned(*shlex.split(text)[1:]).splitlines()[-1].split(" ", maxsplit=1)[1]
