"""Average of the weights over the last part of a run."""

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

_STEPS_BETWEEN = 20
"""Neighbouring steps differ little, and each addition reads all weights."""
_COUNT = "count"


class AverageWeights(TrainerCallback):
    """Average the trainable weights over the last part of the run.

    Stochastic weight averaging (Izmailov et al. 2018): the average generalises better than the last weights, at the
    cost of one model.

    Args:
        share: share of the steps, at the end, whose weights are averaged.
        folder: folder of the run. The average so far is written there after each epoch, for a resumed run.
    """

    def __init__(self, share: float, folder: Path) -> None:
        self._share = share
        self.folder = folder
        self._sums: dict[str, torch.Tensor] = {}
        self._count = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take up the average of the run that is resumed."""
        saved = self._path(state.global_step)
        if not saved.exists():
            return
        with safe_open(saved, framework="pt") as file:
            self._count = int(file.metadata()[_COUNT])
            self._sums = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Add the weights of every 20th step, counted from the last one."""
        left = state.max_steps - state.global_step
        if left >= self._share * state.max_steps or left % _STEPS_BETWEEN:
            return
        weights = _trainable(kwargs["model"])
        if weights.keys() != self._sums.keys():  # the first, or layers were frozen until now
            self._sums = {name: torch.zeros_like(weight, dtype=torch.float64) for name, weight in weights.items()}
            self._count = 0
        for name, weight in weights.items():
            self._sums[name] += weight
        self._count += 1

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write the average so far, before the Trainer writes the checkpoint of the epoch."""
        if self._count:
            part = self._path(state.global_step).with_suffix(".part")
            save_file(self._sums, part, metadata={_COUNT: str(self._count)})
            part.replace(self._path(state.global_step))

    @torch.no_grad()
    def load_into(self, model: nn.Module) -> bool:
        """Replace the trainable weights of the model by their average; False if nothing was averaged."""
        if not self._count:
            return False
        for name, weight in _trainable(model).items():
            weight.copy_(self._sums[name] / self._count)
        return True

    def _path(self, step: int) -> Path:
        return self.folder / f"average-{step}.safetensors"


def _trainable(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach() for name, weight in model.named_parameters() if weight.requires_grad}
