"""Untrusted names and texts are escaped on terminals and in logs and cannot forge lines."""

import ast
import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spam_edge.bundle.manifest import MANIFEST_NAME
from tests.conftest import ROOT
from tests.support.controls import CONTROLS

EVIL = "a\nError: all is well\x1b[2J\x9b\u202e\u2066\u2028"
ESCAPED = r"a\nError: all is well\x1b[2J\x9b\u202e\u2066\u2028"


def spam_edge(*arguments: str | bytes, folder: Path, bundle: Path, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run the command in a subprocess; return exit code, output and error output."""
    environment = os.environ | {"SPAM_EDGE_MODEL": str(bundle), "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "spam_edge", *arguments]
    completed = subprocess.run(command, cwd=folder, env=environment, input=stdin, capture_output=True, check=False)
    return completed.returncode, completed.stdout.decode(), completed.stderr.decode()


def assert_harmless(text: str, lines: int) -> None:
    assert not CONTROLS.search(text.replace("\n", "").replace("\t", ""))
    assert text.count("\n") == lines


@pytest.mark.parametrize("name", [EVIL.encode(), b"a\x1b\xff\n.txt"])
def test_control_characters_in_file_names_are_escaped(tmp_path: Path, tiny_bundle: Path, name: bytes) -> None:
    (tmp_path / os.fsdecode(name)).write_bytes(b"caf\xe9\nhi\n")
    for options in (
        [name],
        [name, name],
        [b"--format", b"jsonl", name],
        [b"missing" + name],
        [b"-o", b"x/" + name, name],
    ):
        code, out, err = spam_edge("classify", "--device", "cpu", *options, folder=tmp_path, bundle=tiny_bundle)
        assert code in (1, 2)
        assert_harmless(err, err.count("\n"))
        assert all(not line.startswith("Error: all") for line in err.splitlines())
        assert_harmless(out, out.count("\n"))
        assert "Traceback" not in err
    code, _, err = spam_edge("batch", "--quiet", name, "-o", b"out" + name, folder=tmp_path, bundle=tiny_bundle)
    assert code == 1
    assert_harmless(err, 1)


def test_control_characters_in_column_names_are_escaped(tmp_path: Path, tiny_bundle: Path) -> None:
    (tmp_path / "in.csv").write_text(f'id,"{EVIL}"\n1,2\n', encoding="utf-8")
    column = pa.array([{EVIL: b"x"}], pa.struct([(EVIL, pa.binary())]))
    pq.write_table(pa.table({"text": ["hi"], EVIL: column}), tmp_path / "in.parquet")
    for arguments in (
        ["classify", "in.csv"],
        ["batch", "in.csv", "-o", "out"],
        ["batch", "in.parquet", "-o", "out.csv"],
    ):
        code, out, err = spam_edge(*arguments, folder=tmp_path, bundle=tiny_bundle)
        assert (code, out) == (1, "")
        assert_harmless(err, 1)
        assert r"\x1b[2J" in err


@pytest.mark.parametrize("arguments", [[EVIL], ["classify", f"--{EVIL}"], ["classify", "--only", EVIL], ["--" + EVIL]])
def test_control_characters_in_arguments_are_escaped(tmp_path: Path, tiny_bundle: Path, arguments: list[str]) -> None:
    code, out, err = spam_edge(*arguments, folder=tmp_path, bundle=tiny_bundle, stdin=b"hi\n")
    assert (code, out) == (2, "")
    assert ESCAPED in err.splitlines()[-1] or repr(EVIL)[1:-1] in err.splitlines()[-1]
    assert not CONTROLS.search(err.replace("\n", ""))


def test_control_characters_in_bundle_metadata_are_escaped(tmp_path: Path, bundle_copy: Path) -> None:
    path = bundle_copy / MANIFEST_NAME
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest |= {"name": EVIL, "version": EVIL, "labels": [EVIL, "SPAM"], "default_mode": EVIL}
    manifest["thresholds"][EVIL] = 0.5
    path.write_text(json.dumps(manifest), encoding="utf-8")
    for arguments in (["info"], ["classify", "--summary", "--mode", EVIL], ["explain", EVIL], ["drift"], ["verify"]):
        stdin = b"" if arguments[0] == "verify" else b"see you at 5\n"
        code, out, err = spam_edge(*arguments, folder=tmp_path, bundle=bundle_copy, stdin=stdin)
        assert code == 0, err
        assert_harmless(out + err, (out + err).count("\n"))
        assert not any(line.startswith("Error") for line in (out + err).splitlines())
    _, out, _ = spam_edge("info", "--json", folder=tmp_path, bundle=bundle_copy)
    assert json.loads(out)["name"] == EVIL
    assert not CONTROLS.search(out.replace("\n", ""))


def run_on_terminal(arguments: Sequence[str], folder: Path, bundle: Path) -> str:
    """Run the command on a pseudo-terminal and return what it prints."""
    outer, inner = pty.openpty()
    environment = os.environ | {
        "SPAM_EDGE_MODEL": str(bundle),
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    command = [sys.executable, "-m", "spam_edge", *arguments]
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=inner) as process:
        os.close(inner)
        output = b""
        while chunk := _read(outer):
            output += chunk
    os.close(outer)
    assert process.returncode == 0
    return output.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1024)
    except OSError:  # Linux reports the end of a terminal as an error
        return b""


@pytest.mark.parametrize("output_format", ["text", "jsonl", "csv"])
def test_control_characters_in_messages_are_escaped_on_terminal(
    tmp_path: Path, tiny_bundle: Path, output_format: str
) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": EVIL}) + "\n", encoding="utf-8")
    arguments = ["classify", "--device", "cpu", "--format", output_format, "in.jsonl"]
    shown = run_on_terminal(arguments, tmp_path, tiny_bundle)
    assert_harmless(shown, 2 if output_format == "csv" else 1)


def test_only_console_module_calls_print_or_echo() -> None:
    for path in (ROOT / "spam_edge" / "cli").glob("*.py"):
        calls = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute)
        }
        names = {
            node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)
        }
        assert path.name == "console.py" or not {"echo", "secho"} & calls | {"print"} & names, path.name
