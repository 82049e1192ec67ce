"""Weight averaging over the last share of a run."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from spam_edge.training.averaging import AverageWeights

STEPS = 200
UNUSED: Any = SimpleNamespace()


def weight_at(step: int) -> float:
    return float(step * step)


def run_steps(average: AverageWeights, model: nn.Linear, first: int = 1, last: int = STEPS, epoch: int = 50) -> None:
    """Call the callback as the Trainer does in the steps from first to last."""
    average.on_train_begin(UNUSED, state(first - 1), UNUSED)
    for step in range(first, last + 1):
        with torch.no_grad():
            model.weight.fill_(weight_at(step))
        average.on_step_end(UNUSED, state(step), UNUSED, model=model)
        if step % epoch == 0:
            average.on_epoch_end(UNUSED, state(step), UNUSED)


def state(step: int) -> Any:
    return SimpleNamespace(global_step=step, max_steps=STEPS)


def linear() -> nn.Linear:
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    return model


@pytest.mark.parametrize(
    ("share", "steps"), [(0.5, [120, 140, 160, 180, 200]), (0.51, [100, 120, 140, 160, 180, 200]), (0.01, [200])]
)
def test_average_weighs_every_20th_step_of_last_share_equally(
    tmp_path: Path, share: float, steps: Sequence[int]
) -> None:
    model, average = linear(), AverageWeights(share, tmp_path)
    bias = model.bias.detach().clone()
    run_steps(average, model)
    assert average.load_into(model)
    expected = sum(map(weight_at, steps)) / len(steps)
    assert torch.allclose(model.weight, torch.full((2, 2), expected), rtol=1e-6)
    assert torch.equal(model.bias, bias)


def test_share_of_zero_disables_averaging(tmp_path: Path) -> None:
    model, average = linear(), AverageWeights(0, tmp_path)
    run_steps(average, model)
    assert not average.load_into(model)
    assert torch.equal(model.weight, torch.full((2, 2), weight_at(STEPS)))


@pytest.mark.parametrize("interrupted_at", [50, 130, 150, 170])
def test_resumed_run_gives_average_of_uninterrupted_run(tmp_path: Path, interrupted_at: int) -> None:
    """The resumed run continues after the last complete epoch."""
    uninterrupted, resumed = linear(), linear()
    average = AverageWeights(0.5, tmp_path / "uninterrupted")
    average.folder.mkdir()
    run_steps(average, uninterrupted)
    average.load_into(uninterrupted)
    run_steps(AverageWeights(0.5, tmp_path), resumed, last=interrupted_at)
    average = AverageWeights(0.5, tmp_path)
    run_steps(average, resumed, first=1 + interrupted_at // 50 * 50)
    average.load_into(resumed)
    assert torch.equal(resumed.weight, uninterrupted.weight)


def test_unfreezing_layers_restarts_averaging(tmp_path: Path) -> None:
    model, average = linear(), AverageWeights(1, tmp_path)
    run_steps(average, model, last=150)
    model.bias.requires_grad_(True)
    run_steps(average, model, first=151)
    average.load_into(model)
    expected = sum(map(weight_at, (160, 180, 200))) / 3
    assert torch.allclose(model.weight, torch.full((2, 2), expected), rtol=1e-6)
