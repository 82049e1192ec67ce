"""Choice of the bundle: the default is announced, world-writable folders are refused, and --digest pins a bundle."""

import shutil
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from spam_edge import SpamClassifier
from spam_edge.cli import main

Run = Callable[..., Result]
COMMANDS = {
    "classify": ["messages.txt"],
    "drift": ["messages.txt"],
    "explain": ["see you at 5 then"],
    "info": [],
    "verify": [],
    "bench": ["--seconds", "0", "--threads", "1"],
    "batch": ["in.csv", "-o", "out", "--quiet", "--workers", "1"],
}


@pytest.fixture
def default(folder: Path, run: Run, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working directory with the tiny bundle at the default path and with input files."""
    monkeypatch.delenv("SPAM_EDGE_MODEL")
    shutil.copytree(tiny_bundle, folder / "artifacts" / "bundle")
    (folder / "messages.txt").write_text("see you at 5 then\n")
    (folder / "in.csv").write_text("text\nsee you at 5 then\n")
    return folder


@pytest.fixture
def digest(tiny_bundle: Path) -> str:
    return SpamClassifier.load(tiny_bundle).bundle.digest


def test_all_commands_with_model_option_are_covered() -> None:
    context = click.Context(main)
    commands = {name: main.get_command(context, name) for name in main.list_commands(context)}
    assert set(COMMANDS) == {
        name for name, command in commands.items() if command and "model" in {option.name for option in command.params}
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_default_bundle_path_is_announced_once_on_stderr(default: Path, run: Run, command: str) -> None:
    del default
    arguments = [command, "--device", "cpu", *COMMANDS[command]]
    implicit = run(*arguments)
    assert implicit.exit_code == 0, implicit.output
    assert implicit.stderr.splitlines().count("using ./artifacts/bundle") == 1
    if command == "batch":
        arguments.append("--force")
    if command != "bench":  # its measurements differ between runs
        named = run(*arguments, "--model", "artifacts/bundle")
        assert (named.exit_code, named.stdout) == (0, implicit.stdout)
        assert "using ./artifacts/bundle" not in named.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_default_bundle_in_world_writable_folder_is_refused(default: Path, run: Run, command: str) -> None:
    (default / "artifacts").chmod(0o777)
    result = run(command, "--device", "cpu", *COMMANDS[command])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: artifacts/bundle is not loaded by default")
    assert "name a bundle with --model" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_mismatched_digest_is_refused_by_every_command(default: Path, run: Run, command: str, digest: str) -> None:
    del default
    result = run(command, "--device", "cpu", "--digest", "0" * 64, *COMMANDS[command])
    assert result.exit_code == 1
    assert f"has the digest {digest}, not {'0' * 64}; set the path" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["classify", "verify", "batch"])
def test_digest_shown_by_info_is_accepted(default: Path, run: Run, command: str, digest: str) -> None:
    del default
    assert digest in run("info", "--device", "cpu").stdout.split()
    assert run(command, "--device", "cpu", "--digest", digest, *COMMANDS[command]).exit_code == 0


def test_malformed_digest_is_usage_error(default: Path, run: Run) -> None:
    del default
    result = run("info", "--digest", "abc")
    assert result.exit_code == 2
    assert "digest must be 64 hex digits" in result.stderr
