"""Project files are consistent: versions, extras, pins and make targets."""

import re
import tomllib
from pathlib import Path

import spam_edge
from tests.support import make
from tests.support.make import needs_make, planned

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_changelog_starts_with_this_version() -> None:
    """An ``[Unreleased]`` section may precede it."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.+?)\]", changelog, flags=re.MULTILINE)
    assert next(version for version in versions if version != "Unreleased") == spam_edge.__version__
    assert "Unreleased" not in versions[1:]


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


@needs_make
def test_make_alone_lists_every_target() -> None:
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
def test_only_distclean_removes_what_takes_long() -> None:
    assert not re.search(r"artifacts|\.venv|\.so", planned("clean"))
    assert planned("clean") in planned("distclean")
    for lost in ("artifacts", ".venv", ".so"):
        assert lost in planned("distclean")


@needs_make
def test_variables_reach_the_training() -> None:
    variables = ["EPOCHS=4", "SEED=7", "DATA=a.csv b.tsv", "LABEL_MAP=junk=SPAM,ok=HAM", "CHECKPOINT=/tmp/elsewhere"]
    commands = planned("--always-make", "train", *variables)
    assert "--data a.csv --data b.tsv" in commands
    assert "--label-map junk=SPAM,ok=HAM" in commands
    assert "--epochs 4" in commands
    assert "--seed 7" in commands
    assert "--output /tmp/elsewhere" in commands


@needs_make
def test_data_is_checked_with_the_options_it_is_trained_with() -> None:
    variables = ["DATA=a.csv b.tsv", "TEXT_COLUMN=body", "LABEL_MAP=junk=SPAM,ok=HAM"]
    commands = planned("data", *variables)
    assert "--check --data a.csv --data b.tsv" in commands
    assert "--text-column body" in commands
    assert "--label-map junk=SPAM,ok=HAM" in commands


@needs_make
def test_exporting_takes_the_checkpoint_as_it_is(tmp_path: Path) -> None:
    places = [f"CHECKPOINT={tmp_path}", f"BUNDLE={tmp_path}/bundle", "EPOCHS=9"]
    assert "spam_edge.training" in planned("export", *places)  # no checkpoint yet
    (tmp_path / "training.json").touch()
    assert "spam_edge.training" not in planned("export", *places)
    assert "-m export" in planned("export", *places)
    assert "--epochs 9" in planned("train", "export", *places)


@needs_make
def test_other_ways_to_quantise_are_measured_when_asked_for() -> None:
    places = ["--always-make", "CHECKPOINT=/tmp/checkpoint", "BUNDLE=/tmp/bundle"]
    command = "-m export.alternatives --checkpoint /tmp/checkpoint --bundle /tmp/bundle"
    assert command in planned("alternatives", *places)
    assert command not in planned("export", *places)


@needs_make
def test_tests_run_in_one_process_per_core_unless_told_otherwise() -> None:
    assert "--numprocesses auto --dist worksteal -m slow" in planned("test-slow")
    assert "--numprocesses 0 " in planned("test", "WORKERS=0")
