"""Project files are consistent: versions, extras, pins and make targets."""

import re
import tomllib
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import spam_edge
from tests.support import make
from tests.support.make import needs_make, planned

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_changelog_starts_with_package_version() -> None:
    """An ``[Unreleased]`` section may precede it."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.+?)\]", changelog, flags=re.MULTILINE)
    assert next(version for version in versions if version != "Unreleased") == spam_edge.__version__
    assert "Unreleased" not in versions[1:]


def test_readme_extras_table_matches_package_extras() -> None:
    table = set(re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE))
    assert table == set(PYPROJECT["project"]["optional-dependencies"])


def test_every_requirement_is_met_by_pinned_version() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    project = PYPROJECT["project"]
    entries = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    required = [entry for entry in map(Requirement, entries) if entry.name != "spam-edge"]
    versions = [(entry, pinned.get(canonicalize_name(entry.name))) for entry in required]
    assert [(str(entry), version) for entry, version in versions if not version or version not in entry.specifier] == []


@needs_make
def test_make_without_target_lists_targets_and_variables() -> None:
    shown = make.output()
    for target in (
        "help",
        "data",
        "train",
        "export",
        "alternatives",
        "evaluate",
        "test",
        "test-slow",
        "test-all",
        "check",
        "lint",
        "typecheck",
        "wheel",
        "clean",
        "distclean",
    ):
        assert re.search(rf"^  make {target}\s+\S", shown, flags=re.MULTILINE), target
    for variable in ("BASE_MODEL", "DATA", "LEARNING_RATE", "EPOCHS", "BATCH_SIZE", "MAX_LENGTH", "SEED", "BUNDLE"):
        assert f"{variable}=" in shown


@needs_make
def test_clean_keeps_artifacts_that_distclean_removes() -> None:
    assert not re.search(r"artifacts|\.venv|\.so", planned("clean"))
    assert planned("clean") in planned("distclean")
    for lost in ("artifacts", ".venv", ".so"):
        assert lost in planned("distclean")


@needs_make
def test_make_variables_reach_training_command() -> None:
    variables = ["EPOCHS=4", "SEED=7", "DATA=a.csv b.tsv", "LABEL_MAP=junk=SPAM,ok=HAM", "CHECKPOINT=/tmp/elsewhere"]
    commands = planned("--always-make", "train", *variables)
    assert "--data a.csv --data b.tsv" in commands
    assert "--label-map junk=SPAM,ok=HAM" in commands
    assert "--epochs 4" in commands
    assert "--seed 7" in commands
    assert "--output /tmp/elsewhere" in commands


@needs_make
def test_make_data_checks_with_training_options() -> None:
    variables = ["DATA=a.csv b.tsv", "TEXT_COLUMN=body", "LABEL_MAP=junk=SPAM,ok=HAM"]
    commands = planned("data", *variables)
    assert "--check --data a.csv --data b.tsv" in commands
    assert "--text-column body" in commands
    assert "--label-map junk=SPAM,ok=HAM" in commands


@needs_make
def test_make_export_does_not_retrain_existing_checkpoint(tmp_path: Path) -> None:
    places = [f"CHECKPOINT={tmp_path}", f"BUNDLE={tmp_path}/bundle", "EPOCHS=9"]
    assert "spam_edge.training" in planned("export", *places)  # no checkpoint yet
    (tmp_path / "training.json").touch()
    assert "spam_edge.training" not in planned("export", *places)
    assert "-m export" in planned("export", *places)
    assert "--epochs 9" in planned("train", "export", *places)


@needs_make
def test_alternatives_are_measured_only_by_own_target() -> None:
    places = ["--always-make", "CHECKPOINT=/tmp/checkpoint", "BUNDLE=/tmp/bundle"]
    command = "-m export.alternatives --checkpoint /tmp/checkpoint --bundle /tmp/bundle"
    assert command in planned("alternatives", *places)
    assert command not in planned("export", *places)


@needs_make
def test_make_test_defaults_to_one_worker_per_core() -> None:
    assert "--numprocesses auto --dist worksteal -m slow" in planned("test-slow")
    assert "--numprocesses 0 " in planned("test", "WORKERS=0")
