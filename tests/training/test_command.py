"""The training command as a subprocess: output, streams and exit codes."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from spam_edge.errors import InputError
from spam_edge.training.settings import PACKAGED_DEFAULTS, TrainingSettings
from tests.support.timeouts import TIMEOUT


def run_training(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spam_edge.training", *arguments],
        capture_output=True, text=True, timeout=TIMEOUT, check=False, env={**os.environ, **(env or {})},
    )  # fmt: skip


def rows(n_ham: int, n_spam: int) -> str:
    words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet"]
    texts = [f"{words[i % 10]} {words[i // 10 % 10]} {words[(i * 7) % 10]}" for i in range(n_ham + n_spam)]
    labels = ["ham"] * n_ham + ["spam"] * n_spam
    return "".join(f"{label}\t{text}\n" for label, text in zip(labels, texts, strict=True))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty (0 bytes)"),
        (b"ham\thi\nmaybe\thm\n", "line 2: unknown label 'maybe'"),
        (b"ham\thi\nspam\tWin \xa35\n", "line 2: byte 0xa3 is not utf-8"),
        (rows(40, 5).encode(), "training needs at least 50"),
        (rows(90, 0).encode(), "the corpus holds no SPAM"),
        (None, "No such file or directory"),
    ],
)
def test_invalid_data_exits_with_code_1_before_torch_import(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "bad.tsv"
    if content is not None:
        path.write_bytes(content)
    # Importing torch or transformers raises, so an early import would change the error.
    (tmp_path / "blocked").mkdir()
    for name in ("torch", "transformers"):
        (tmp_path / "blocked" / f"{name}.py").write_text("raise RuntimeError('imported')")
    completed = run_training(
        "--data", str(path), "--base-model", "packaged", env={"PYTHONPATH": str(tmp_path / "blocked")}
    )
    assert (completed.returncode, completed.stdout) == (1, "")
    error = completed.stderr.splitlines()[-1]
    assert error.startswith("Error: ")
    assert message in error
    assert "Traceback" not in completed.stderr
    assert not (tmp_path / "artifacts").exists()


def test_missing_dependency_error_names_extra(tmp_path: Path) -> None:
    (tmp_path / "sklearn.py").write_text("raise ModuleNotFoundError('no', name='sklearn')")
    completed = run_training("--data", "packaged", env={"PYTHONPATH": str(tmp_path)})
    assert completed.returncode == 1
    assert completed.stderr.splitlines()[-1] == "Error: training needs sklearn; run pip install 'spam-edge[train]'"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--sweep", "--learning-rate", "1e-4"), 2, "--sweep sets the learning rate; remove --learning-rate"),
        (("--epochs", "many"), 2, "Invalid value for '--epochs'"),
        (("--epochs", "0"), 1, "at least one epoch"),
        (("--freeze-epochs", "3"), 1, "lower --freeze-epochs"),
        (("--label-map", "junk"), 1, "not of the form"),
        (("--data", "hub", "--data", "auto"), 1, "--data takes one of"),
    ],
)
def test_invalid_options_exit_with_code_and_message(arguments: tuple[str, ...], code: int, message: str) -> None:
    completed = run_training(*arguments)
    assert completed.returncode == code
    assert message in completed.stderr.splitlines()[-1]


def test_help_shows_examples_and_defaults() -> None:
    completed = run_training("--help")
    assert completed.returncode == 0
    assert "Examples:" in completed.stdout
    text = " ".join(completed.stdout.split())
    packaged, defaults = PACKAGED_DEFAULTS, TrainingSettings()
    assert (
        f"Default: {defaults.learning_rate:g}; packaged base model: {packaged.learning_rate:g}.".replace("e-0", "e-")
        in text
    )
    assert f"Default: {defaults.batch_size}." in text
    assert f"Default: {defaults.max_length}." in text
    assert f"Default: {defaults.seed}." in text


@pytest.mark.parametrize(
    "invalid",
    [{"learning_rate": 0.0}, {"epochs": 0}, {"batch_size": 0}, {"max_length": 2}, {"max_length": 513}, {"seed": -1},
     {"freeze_epochs": 3}, {"freeze_epochs": 1, "freeze_body": True}],
)  # fmt: skip
def test_invalid_training_settings_are_refused(invalid: dict[str, int]) -> None:
    with pytest.raises(InputError):
        TrainingSettings(**invalid)  # type: ignore[arg-type]
