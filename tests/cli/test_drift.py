"""``spam-edge drift``."""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from spam_edge.cli.drift import DRIFTED, drift

Run = Callable[..., Result]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def command(run: Run) -> Run:
    return lambda *arguments, stdin=b"": run("drift", "--device", "cpu", *arguments, stdin=stdin)


@pytest.fixture
def spam_only(folder: Path) -> str:
    (folder / "spam.txt").write_text(
        "".join(f"Free prize! Txt WIN to {n} now, 150p/msg\n" for n in range(10000, 10300))
    )
    return "spam.txt"


def test_spam_only_input_is_reported_as_drift(command: Run, spam_only: str) -> None:
    result = command(spam_only)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = dict(re.split(" {2,}", line, maxsplit=1) for line in result.stdout.splitlines()[1:])
    assert rows["messages"].split() == ["300", "60"]
    assert rows["spam"].split() == ["100.0%", "50.0%"]
    assert rows["verdict"] == "label a sample and retrain"
    assert command("--fail-on-drift", spam_only).exit_code == DRIFTED == 4


def test_json_report_has_sample_sizes_and_stability_index(command: Run, spam_only: str) -> None:
    report = json.loads(command("--json", spam_only).stdout)
    assert (report["now"]["n"], report["validation"]["n"], report["verdict"]) == (300, 60, "label a sample and retrain")
    assert sum(report["counted"]) == 300
    assert report["psi"] > 0.25


def test_messages_from_same_distribution_show_no_drift(command: Run, folder: Path) -> None:
    pytest.importorskip("torch")  # the message generator imports it
    made_up = runpy.run_path(str(ROOT / "tests" / "data" / "make_tiny_bundle.py"))["made_up_messages"]
    (folder / "same.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t, _ in made_up(60, seed=1)))
    for arguments in (["same.jsonl", "--variant", "int8"], ["same.jsonl"]):
        result = command(*arguments, "--fail-on-drift", "--json")
        report = json.loads(result.stdout)
        assert (result.exit_code, report["now"]["spam"], report["validation"]["spam"]) == (0, 0.5, 0.5)
        assert report["psi"] < report["chance"]


@pytest.mark.parametrize("stdin", [b"", b"see you at 5 then\n"])
def test_small_sample_gives_no_verdict(command: Run, stdin: bytes) -> None:
    result = command("--fail-on-drift", stdin=stdin)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "verdict     too few to say"


def test_unreadable_rows_and_files_are_reported(command: Run, folder: Path) -> None:
    (folder / "in.txt").write_bytes(b"see you at 5 then\n\xff\n")
    result = command("in.txt")
    assert result.exit_code == 1
    assert "in.txt:2: byte 0xff" in result.stderr
    assert "Error: 1 of 2 rows could not be read" in result.stderr
    assert "messages" in result.stdout
    assert command("nowhere.txt").stderr == "Error: nowhere.txt does not exist; check the path\n"
    combined = command("nowhere.txt", "in.txt", "--json")
    assert (combined.exit_code, json.loads(combined.stdout)["now"]["n"]) == (1, 1)
    assert "Error: 1 of 2 inputs could not be read; 1 of 2 rows" in combined.stderr


def test_bundle_without_validation_scores_is_refused(run: Run, bundle_copy: Path) -> None:
    path = bundle_copy / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    del manifest["files"]["validation.json"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    result = run("drift", "--model", str(bundle_copy), "--device", "cpu")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "validation.json is not listed in manifest.json; export the bundle again" in result.stderr


def test_drift_subprocess_exits_with_drift_code(folder: Path, spam_only: str, tiny_bundle: Path) -> None:
    environment = os.environ | {"SPAM_EDGE_MODEL": str(tiny_bundle), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "spam_edge", "drift", "--device", "cpu", "--fail-on-drift", spam_only]
    completed = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stderr) == (DRIFTED, "")
    assert "label a sample and retrain" in completed.stdout


def test_help_examples_are_accepted_by_parser(command: Run) -> None:
    text = command("--help").stdout.split("Examples:")[1]
    examples = re.findall(r"spam-edge drift (.*)$", text, re.MULTILINE)
    assert examples
    for line in examples:
        drift.make_context("drift", shlex.split(line))
