"""The average of the weights over the last part of a run."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from spam_edge.training.averaging import AverageWeights

STEPS = 200
ANYTHING: Any = SimpleNamespace()


def weight_at(step: int) -> float:
    return float(step * step)


def run(average: AverageWeights, model: nn.Linear, first: int = 1, last: int = STEPS, epoch: int = 50) -> None:
    """Call the callback as the Trainer does, from one step to another."""
    average.on_train_begin(ANYTHING, state(first - 1), ANYTHING)
    for step in range(first, last + 1):
        with torch.no_grad():
            model.weight.fill_(weight_at(step))
        average.on_step_end(ANYTHING, state(step), ANYTHING, model=model)
        if step % epoch == 0:
            average.on_epoch_end(ANYTHING, state(step), ANYTHING)


def state(step: int) -> Any:
    return SimpleNamespace(global_step=step, max_steps=STEPS)


def linear() -> nn.Linear:
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    return model


@pytest.mark.parametrize(
    ("share", "steps"), [(0.5, [120, 140, 160, 180, 200]), (0.51, [100, 120, 140, 160, 180, 200]), (0.01, [200])]
)
def test_every_20th_step_of_the_last_part_counts_the_same(tmp_path: Path, share: float, steps: Sequence[int]) -> None:
    model, average = linear(), AverageWeights(share, tmp_path)
    bias = model.bias.detach().clone()
    run(average, model)
    assert average.load_into(model)
    expected = sum(map(weight_at, steps)) / len(steps)
    assert torch.allclose(model.weight, torch.full((2, 2), expected), rtol=1e-6)
    assert torch.equal(model.bias, bias)


def test_nothing_is_averaged_with_a_share_of_0(tmp_path: Path) -> None:
    model, average = linear(), AverageWeights(0, tmp_path)
    run(average, model)
    assert not average.load_into(model)
    assert torch.equal(model.weight, torch.full((2, 2), weight_at(STEPS)))


@pytest.mark.parametrize("interrupted", [50, 130, 150, 170])
def test_a_resumed_run_ends_with_the_average_of_an_uninterrupted_one(tmp_path: Path, interrupted: int) -> None:
    """The run goes on from the end of the last whole epoch."""
    whole, resumed = linear(), linear()
    average = AverageWeights(0.5, tmp_path / "whole")
    average.folder.mkdir()
    run(average, whole)
    average.load_into(whole)
    run(AverageWeights(0.5, tmp_path), resumed, last=interrupted)
    average = AverageWeights(0.5, tmp_path)
    run(average, resumed, first=1 + interrupted // 50 * 50)
    average.load_into(resumed)
    assert torch.equal(resumed.weight, whole.weight)


def test_averaging_starts_again_when_layers_are_freed(tmp_path: Path) -> None:
    model, average = linear(), AverageWeights(1, tmp_path)
    run(average, model, last=150)
    model.bias.requires_grad_(True)
    run(average, model, first=151)
    average.load_into(model)
    expected = sum(map(weight_at, (160, 180, 200))) / 3
    assert torch.allclose(model.weight, torch.full((2, 2), expected), rtol=1e-6)
