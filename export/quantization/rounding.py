"""Round the weights of the linear layers to int8, minimising the error of the layer outputs.

GPTQ (Frantar et al. 2023, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers"): the
columns of a weight matrix are rounded one by one, and the columns not yet rounded compensate the error of each, using
second moments of the inputs from calibration.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel

from export.quantization.activations import Activations
from export.quantization.outliers import ChannelSplit
from export.quantization.recipe import Recipe

LEVELS = 127
"""Largest quantised value of symmetric int8."""
FINER = 2 * LEVELS
"""Fine steps per step in 16-bit values: the rounding error, at most half a step, fits into 127 of them."""
DAMPINGS = (0.01, 0.003, 0.001, 0.02)
"""Dampings to try, as a share of the mean diagonal of the second moments; GPTQ's own value comes first."""
_BLOCK = 128
_INTO_ATTENTION = ("q_lin", "k_lin", "v_lin")
_BEHIND_LAYER_NORM = (*_INTO_ATTENTION, "lin1")
_AFTER_GELU = "lin2"
_COMPLETED = "lin2"  # writes to all channels of the residual stream, outliers included
_HEADROOM = 4  # the 16-bit range covers values this many times the largest of calibration


@dataclass(frozen=True, slots=True)
class RoundedLinear:
    """One linear layer as stored in the int8 file.

    Attributes:
        weights: shape (outputs, channels), integer multiples of the scale of their output.
        split: how the input channels are split into columns.
        limit: largest input value if the input has 16 bits, None if it has 8.
        completed: shape (corrected outputs,), indices of the outputs with fp32 residual correction.
        remainder: shape (channels, corrected outputs), rounding errors of their weights.
    """

    weights: Tensor
    split: ChannelSplit
    limit: float | None
    completed: NDArray[np.int64]
    remainder: NDArray[np.float32]


def round_linear_layers(
    model: PreTrainedModel, activations: Mapping[str, Activations], recipe: Recipe
) -> dict[str, RoundedLinear]:
    """Round the linear layers of the transformer; the small classification head stays in fp32.

    Args:
        model: the trained model.
        activations: calibration statistics by layer name, such as ``layer.0.ffn.lin1``.
        recipe: settings of the rounding.
    """
    bar = tqdm(activations.items(), desc="rounding weights", leave=False, disable=None)
    return {name: _round(name, linear_weights(model, name).data, seen, recipe) for name, seen in bar}


def with_rounded_weights(model: PreTrainedModel, layers: Mapping[str, RoundedLinear]) -> PreTrainedModel:
    """Return a copy of the model with the rounded weights; a symmetric quantiser recovers the same scales."""
    rounded: PreTrainedModel = copy.deepcopy(model)
    for name, layer in layers.items():
        linear_weights(rounded, name).data = layer.weights
    return rounded


def linear_weights(model: PreTrainedModel, name: str) -> torch.nn.Parameter:
    """Return the weights of a linear layer, shape (outputs, channels)."""
    weights: torch.nn.Parameter = model.get_parameter(f"distilbert.transformer.{name}.weight")
    return weights


def round_weights(weights: Tensor, second_moment: Tensor, *, damping: float = DAMPINGS[0]) -> Tensor:
    """Round one weight matrix with GPTQ.

    Args:
        weights: shape (outputs, inputs).
        second_moment: shape (inputs, inputs), the sum of x x^T over inputs x of the layer.
        damping: addition to its diagonal, as a share of the mean.

    Returns:
        Shape (outputs, inputs): integer multiples, from -127 to 127, of the scale of the row, its largest weight / 127.
    """
    scale = _scales(weights)
    order = torch.argsort(second_moment.diagonal(), descending=True, stable=True)
    # The largest weight of a row keeps its value, so that the quantiser recovers the same scale.
    pinned = weights.abs().argmax(dim=1, keepdim=True) == order
    remaining = weights[:, order].clone()
    rounded = torch.empty_like(remaining)
    factor = _inverse_factor(second_moment[order][:, order], damping)
    for start in range(0, weights.shape[1], _BLOCK):
        stop = min(start + _BLOCK, weights.shape[1])
        errors = torch.empty_like(remaining[:, start:stop])
        for column in range(start, stop):
            value = remaining[:, column]
            steps = (value / scale).round().clamp(-LEVELS, LEVELS)
            steps = torch.where(pinned[:, column], value.sign() * LEVELS, steps)
            rounded[:, column] = steps * scale
            error = (value - rounded[:, column]) / factor[column, column]
            remaining[:, column:stop] -= torch.outer(error, factor[column, column:stop])
            errors[:, column - start] = error
        remaining[:, stop:] -= errors @ factor[start:stop, stop:]
    return rounded[:, torch.argsort(order)]


def round_to_nearest(weights: Tensor) -> Tensor:
    """Round each weight to the nearest multiple of the scale of its row; see :func:`round_weights`."""
    scale = _scales(weights)[:, None]
    return (weights / scale).round().clamp(-LEVELS, LEVELS) * scale


def _scales(weights: Tensor) -> Tensor:
    return weights.abs().amax(dim=1).clamp(min=torch.finfo(weights.dtype).tiny) / LEVELS


def _round(name: str, weights: Tensor, seen: Activations, recipe: Recipe) -> RoundedLinear:
    layer = int(name.split(".")[1])
    fine = name.endswith(_INTO_ATTENTION) and layer < recipe.fine_layers
    if recipe.gptq:
        rounded = round_weights(weights, seen.second_moment, damping=recipe.damping)
    else:
        rounded = round_to_nearest(weights)
    completed = recipe.completed_outputs if name.endswith(_COMPLETED) and layer < recipe.completed_layers else 0
    outputs, remainder = _complete(weights - rounded, seen.second_moment, completed)
    return RoundedLinear(
        weights=rounded,
        split=seen.peaks.split(0 if fine else _outliers(name, weights.shape[1], recipe)),
        limit=_HEADROOM * seen.peaks.largest if fine else None,
        completed=outputs,
        remainder=remainder,
    )


def _outliers(name: str, channels: int, recipe: Recipe) -> int:
    """Return the number of channels to split; at least one stays whole as the reference."""
    if name.endswith(_BEHIND_LAYER_NORM):
        wanted = recipe.outliers
    elif name.endswith(_AFTER_GELU):
        wanted = recipe.outliers_after_gelu
    else:
        wanted = 0
    return min(wanted, channels - 1)


def _complete(lacking: Tensor, second_moment: Tensor, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the indices of the ``count`` outputs with the largest error, and the rounding errors of their weights."""
    errors = ((lacking @ second_moment) * lacking).sum(dim=1)
    worst = errors.argsort(descending=True, stable=True)[:count]
    return worst.numpy(), lacking[worst].T.contiguous().numpy()


def _inverse_factor(second_moment: Tensor, damping: float) -> Tensor:
    """Return the upper Cholesky factor of the inverse; damping makes the matrix positive definite."""
    size = len(second_moment)
    damped = second_moment + torch.eye(size) * (damping * second_moment.diagonal().mean() + 1e-6)
    factor: Tensor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)
    return factor
