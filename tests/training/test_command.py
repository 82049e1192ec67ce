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


def call(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
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
def test_bad_data_is_one_line_and_exit_1_before_torch_is_imported(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "bad.tsv"
    if content is not None:
        path.write_bytes(content)
    # Importing torch or transformers raises, so an early import would change the error.
    (tmp_path / "blocked").mkdir()
    for name in ("torch", "transformers"):
        (tmp_path / "blocked" / f"{name}.py").write_text("raise RuntimeError('imported')")
    done = call("--data", str(path), "--base-model", "packaged", env={"PYTHONPATH": str(tmp_path / "blocked")})
    assert (done.returncode, done.stdout) == (1, "")
    error = done.stderr.splitlines()[-1]
    assert error.startswith("Error: ")
    assert message in error
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "artifacts").exists()


def test_missing_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "sklearn.py").write_text("raise ModuleNotFoundError('no', name='sklearn')")
    done = call("--data", "packaged", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "Error: training needs sklearn; run pip install 'spam-edge[train]'"


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
def test_usage(arguments: tuple[str, ...], code: int, message: str) -> None:
    done = call(*arguments)
    assert done.returncode == code
    assert message in done.stderr.splitlines()[-1]


def test_help_shows_examples_and_the_defaults_there_are() -> None:
    done = call("--help")
    assert done.returncode == 0
    assert "Examples:" in done.stdout
    text = " ".join(done.stdout.split())
    packaged, seed = PACKAGED_DEFAULTS, TrainingSettings()
    assert (
        f"Default: {seed.learning_rate:g}; packaged base model: {packaged.learning_rate:g}.".replace("e-0", "e-")
        in text
    )
    assert f"Default: {seed.batch_size}." in text
    assert f"Default: {seed.max_length}." in text
    assert f"Default: {seed.seed}." in text


@pytest.mark.parametrize(
    "wrong",
    [{"learning_rate": 0.0}, {"epochs": 0}, {"batch_size": 0}, {"max_length": 2}, {"max_length": 513}, {"seed": -1},
     {"freeze_epochs": 3}, {"freeze_epochs": 1, "freeze_body": True}],
)  # fmt: skip
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        TrainingSettings(**wrong)  # type: ignore[arg-type]
