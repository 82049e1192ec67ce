"""What the documents promise is there: versions, modules, extras, targets, commands and the five lines of Python."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import spam_edge
from spam_edge.bundle import Bundle
from spam_edge.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_changelog_starts_with_this_version() -> None:
    """What is not released yet may stand before it."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.+?)\]", changelog, flags=re.MULTILINE)
    assert next(version for version in versions if version != "Unreleased") == spam_edge.__version__
    assert "Unreleased" not in versions[1:]


def test_every_module_of_the_runtime_is_in_the_tree() -> None:
    tree = README.split("## What is where")[1].split("```")[1]
    modules = {path.name for path in (ROOT / "spam_edge").glob("*.py")} - {"__init__.py", "__main__.py"}
    inside = {path.parent.name for path in (ROOT / "spam_edge").glob("*/*.*")} - {"__pycache__"}
    folders = {f"{name}/" for name in inside}
    assert {name for name in modules | folders if name not in tree} == set()
    assert {name for name in re.findall(r"\w+\.py\b", tree) if name not in modules} == set()


def test_the_extras_of_the_table_are_those_of_the_package() -> None:
    table = set(re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE))
    assert table == set(PYPROJECT["project"]["optional-dependencies"])


def test_every_pin_allows_what_the_package_asks_for() -> None:
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    wanted = {re.split(r"[\[<>=~]", entry)[0] for extra in extras for entry in extra} - {"spam-edge"}
    wanted |= {re.split(r"[<>=~]", entry)[0] for entry in PYPROJECT["project"]["dependencies"]}
    assert wanted - pinned == set()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_alone_lists_every_target() -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for target in (
        "help",
        "data",
        "train",
        "export",
        "quantisation",
        "evaluate",
        "test",
        "check",
        "lint",
        "typecheck",
        "wheel",
        "clean",
    ):
        assert re.search(rf"^  make {target}\s+\S", shown, flags=re.MULTILINE), target
    for variable in ("BASE_MODEL", "DATA", "LEARNING_RATE", "EPOCHS", "BATCH_SIZE", "MAX_LENGTH", "SEED", "BUNDLE"):
        assert f"{variable}=" in shown


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_variables_reach_the_training() -> None:
    variables = ["EPOCHS=4", "SEED=7", "DATA=a.csv b.tsv", "LABEL_MAP=junk=SPAM,ok=HAM", "CHECKPOINT=/tmp/elsewhere"]
    command = ["make", "--dry-run", "--always-make", "train", *variables]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "--data a.csv --data b.tsv" in planned
    assert "--label-map junk=SPAM,ok=HAM" in planned
    assert "--epochs 4" in planned
    assert "--seed 7" in planned
    assert "--output /tmp/elsewhere" in planned


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_data_is_checked_with_the_options_it_is_trained_with() -> None:
    variables = ["DATA=a.csv b.tsv", "TEXT_COLUMN=body", "LABEL_MAP=junk=SPAM,ok=HAM"]
    command = ["make", "--dry-run", "data", *variables]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "--check --data a.csv --data b.tsv" in planned
    assert "--text-column body" in planned
    assert "--label-map junk=SPAM,ok=HAM" in planned


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_exporting_takes_the_checkpoint_as_it_is(tmp_path: Path) -> None:
    def planned(*goals: str) -> str:
        command = ["make", "--dry-run", *goals, f"CHECKPOINT={tmp_path}", f"BUNDLE={tmp_path}/bundle", "EPOCHS=9"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "spam_edge.training" in planned("export")  # there is none yet
    (tmp_path / "training.json").touch()
    assert "spam_edge.training" not in planned("export")
    assert "-m export" in planned("export")
    assert "--epochs 9" in planned("train", "export")


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_other_ways_to_quantise_are_measured_when_asked_for() -> None:
    def planned(goal: str) -> str:
        command = ["make", "--dry-run", "--always-make", goal, "CHECKPOINT=/tmp/checkpoint", "BUNDLE=/tmp/bundle"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    command = "-m export.quantisation --checkpoint /tmp/checkpoint --bundle /tmp/bundle"
    assert command in planned("quantisation")
    assert command not in planned("export")


def test_the_commands_of_the_readme_exist() -> None:
    runner = CliRunner()
    for name in re.findall(r"spam-edge (classify|batch|info|verify|bench|explain|drift)\b", README):
        assert runner.invoke(main, [name, "--help"]).exit_code == 0
    for option in ("--only", "--fail-on-spam"):
        assert option in runner.invoke(main, ["classify", "--help"]).output
    for target in re.findall(r"(?:^\\$ |`)make ([a-z]+)", README, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE), target


def test_the_lines_of_python_run(real_bundle: Path) -> None:
    if Bundle.find(real_bundle).manifest.provenance["training"]["corpus"]["source"] == "files":
        pytest.skip("what a model of one's own data says of these messages is not known")
    code = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert code is not None
    done = subprocess.run([sys.executable, "-c", code[1]], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["SPAM", "['HAM', 'SPAM']"]
