"""Fixtures that run the command in process on the tiny bundle."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spam_edge.cli import main

Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, the current directory of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs ``spam-edge`` and returns its output and exit code."""
    monkeypatch.setenv("SPAM_EDGE_MODEL", str(tiny_bundle))

    def invoke(*arguments: str, stdin: str | bytes = b"") -> Result:
        return CliRunner().invoke(main, arguments, input=stdin, prog_name="spam-edge", catch_exceptions=False)

    return invoke


@pytest.fixture
def classify(run: Run) -> Run:
    """Return a function that runs ``spam-edge classify`` on the CPU."""
    return lambda *arguments, stdin=b"": run("classify", "--device", "cpu", *arguments, stdin=stdin)
