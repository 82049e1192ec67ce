"""The duration estimate before training and the remaining time during training."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from transformers import DistilBertConfig, TrainerControl, TrainerState, TrainingArguments

from spam_edge.training import estimate, progress
from spam_edge.training.__main__ import main
from spam_edge.training.data.corpus import Prepared, prepare
from spam_edge.training.data.messages import LabelledMessage
from spam_edge.training.data.sources import Corpus
from spam_edge.training.estimate import estimate_seconds, slow_warning
from spam_edge.training.model.base_model import BaseModel, choose_base_model
from spam_edge.training.model.hardware import Hardware
from spam_edge.training.progress import Progress, in_words
from spam_edge.training.settings import TrainingSettings

CPU = Hardware("cpu", "a processor", "fp32")
SMALL = {"vocab_size": 100, "n_layers": 1, "n_heads": 2}


@pytest.fixture(scope="module")
def prepared(messages: list[LabelledMessage]) -> Prepared:
    return prepare(Corpus("made", "files", "asked for", tuple(messages)), 42)


@pytest.fixture
def zero_slow_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every training count as slow."""
    monkeypatch.setattr(estimate, "SLOW_MINUTES", 0)


def settings_of(base: BaseModel) -> TrainingSettings:
    return TrainingSettings(max_length=16)


def test_fast_training_gives_no_warning_and_keeps_rng_state(prepared: Prepared, tiny_base: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    assert slow_warning(choose_base_model(str(tiny_base)), settings_of, prepared.splits) is None
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.usefixtures("zero_slow_threshold")
def test_slow_training_warning_gives_estimate_and_faster_alternative(
    prepared: Prepared, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "detect", lambda: CPU)
    warning = slow_warning(choose_base_model(str(tiny_base)), settings_of, prepared.splits)
    assert warning is not None
    assert warning.startswith(f"training {tiny_base} takes about ")
    assert re.search(r"without a GPU; .*BASE_MODEL=packaged.* takes about (\d+ h )?\d+ (s|min)$", warning)
    packaged = slow_warning(choose_base_model("packaged"), settings_of, prepared.splits)
    assert packaged is not None
    assert "BASE_MODEL" not in packaged  # no faster alternative


@pytest.mark.usefixtures("zero_slow_threshold")
def test_gpu_training_gives_no_slow_warning(
    prepared: Prepared, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "detect", lambda: Hardware("cuda", "a GPU", "bf16"))
    assert slow_warning(choose_base_model(str(tiny_base)), settings_of, prepared.splits) is None


@pytest.mark.slow
def test_estimate_grows_with_model_size_and_epochs(prepared: Prepared) -> None:
    def seconds(dim: int, epochs: int) -> float:
        config = DistilBertConfig(**SMALL, dim=dim, hidden_dim=4 * dim)
        settings = TrainingSettings(epochs=epochs, max_length=64)
        # Take the minimum, because other processes can only add time.
        return min(estimate_seconds(config, prepared.splits, settings, CPU) for _ in range(3))

    small = seconds(16, 1)
    assert small > 0
    assert seconds(512, 1) > 3 * small
    assert seconds(16, 100) > 10 * small


@pytest.mark.slow
@pytest.mark.usefixtures("zero_slow_threshold")
def test_slow_training_warning_is_first_stderr_line(
    corpus_file: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_WAIT_POLICY", "HF_HUB_DISABLE_XET"):
        monkeypatch.setenv(name, "1" if name.startswith("HF") else "PASSIVE")  # restored after the test
    monkeypatch.setattr(estimate, "detect", lambda: CPU)
    options = ["--data", str(corpus_file), "--base-model", str(tiny_base), "--epochs", "1", "--max-length", "32"]
    result = CliRunner().invoke(main, [*options, "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    first, second, *rest = result.stderr.splitlines()
    assert first.startswith(f"training {tiny_base} takes about ")
    assert second.startswith("corpus: ")
    assert len([line for line in rest if line.startswith(("corpus: ", "training "))]) == 0


@pytest.mark.parametrize("bar", [False, True])
def test_progress_lines_estimate_remaining_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bar: bool) -> None:
    """Resume a run of 400 steps of 3 seconds at step 100; the steps before 100 do not count toward the speed."""
    lines: list[str] = []
    clock = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    callback = Progress(lines.append, "lr 2e-05", bar=bar)
    args, control = TrainingArguments(output_dir=str(tmp_path), num_train_epochs=4), TrainerControl()
    state = TrainerState(max_steps=400, global_step=100, epoch=1.0)
    callback.on_train_begin(args, state, control)
    callback.on_epoch_begin(args, state, control)
    for state.global_step in range(101, 201):
        clock[0] += 3
        callback.on_step_end(args, state, control)
    state.epoch = 2.0
    metrics = {"eval_loss": 0.1, "eval_pr_auc": 0.9, "eval_f1": 0.8}
    callback.on_evaluate(args, state, control, metrics=metrics)
    state.global_step, state.epoch = 400, 4.0
    callback.on_evaluate(args, state, control, metrics=metrics)
    intermediate_lines = [
        "lr 2e-05, step 141 of 400, about 13 min left",
        "lr 2e-05, step 182 of 400, about 11 min left",
    ]
    assert lines[:-2] == ([] if bar else intermediate_lines)
    assert lines[-2].endswith(
        "epoch 2 of 4: validation loss 0.1000, PR-AUC 0.9000, F1 0.8000, 300 s, about 10 min left"
    )
    assert lines[-1].endswith("F1 0.8000, 300 s")


@given(st.floats(0, 10**6))
def test_formatted_duration_is_accurate_to_30_seconds(seconds: float) -> None:
    match = re.fullmatch(r"(?:(\d+) h )?(\d+) (s|min)", in_words(seconds))
    assert match is not None
    hours, number, unit = match.groups()
    assert abs(int(hours or 0) * 3600 + int(number) * (60 if unit == "min" else 1) - seconds) <= 30
    assert int(number) < 60
