"""Round the weights of the linear layers to int8 so that the layers' outputs, not the weights, stay close.

GPTQ (Frantar et al. 2023, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers"):
the columns of a weight matrix are rounded one after the other, and the error of each is made up for by those not
yet rounded, as far as inputs seen in training tell how.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedModel

from export.errors import ExportError
from export.reference import PyTorchReference

CALIBRATION_TEXTS = 512
"""Messages of the training split whose activations stand for all."""
MINIMUM_TEXTS = 64
LEVELS = 127
"""Largest step of symmetric int8."""
_BLOCK = 128
DAMPINGS = (0.01, 0.02, 0.05, 0.1)
"""What is added to the diagonal of the second moments, as a share of its mean: GPTQ's own choice, and others."""


def round_linear_layers(
    reference: PyTorchReference, texts: Sequence[str], *, damping: float = DAMPINGS[0]
) -> PreTrainedModel:
    """Return a copy of the model whose transformer weights lie on an int8 grid with one scale per output channel.

    The scale of a channel is its largest weight / 127, the one that a symmetric quantiser finds again.

    Args:
        reference: the trained model.
        texts: messages of the training split, a sample of which is run.
        damping: one of :data:`DAMPINGS`.

    Raises:
        ExportError: there are too few messages to learn from.
    """
    if len(texts) < MINIMUM_TEXTS:
        raise ExportError(
            f"{len(texts)} training messages are too few to calibrate int8 weights; at least {MINIMUM_TEXTS} are needed"
        )
    sample = [texts[index * len(texts) // CALIBRATION_TEXTS] for index in range(min(CALIBRATION_TEXTS, len(texts)))]
    second_moments = _second_moments(reference, sample)
    model: PreTrainedModel = copy.deepcopy(reference.model)
    layers = dict(_linear_layers(model))
    for name, layer in tqdm(layers.items(), desc="rounding weights", leave=False, disable=None):
        layer.weight.data = round_weights(layer.weight.data, second_moments[name], damping=damping)
    return model


def round_weights(weights: Tensor, second_moment: Tensor, *, damping: float = DAMPINGS[0]) -> Tensor:
    """Round one weight matrix.

    Args:
        weights: shape (outputs, inputs).
        second_moment: shape (inputs, inputs), the sum of x x^T over inputs x of the layer.
        damping: what is added to its diagonal, as a share of the mean.

    Returns:
        Shape (outputs, inputs): whole multiples, from -127 to 127, of the largest weight of the row / 127.
    """
    scale = weights.abs().amax(dim=1).clamp(min=torch.finfo(weights.dtype).tiny) / LEVELS
    order = torch.argsort(second_moment.diagonal(), descending=True)
    # The largest weight of a row keeps its value, so that whoever looks for the scale finds this one.
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


def _inverse_factor(second_moment: Tensor, damping: float) -> Tensor:
    """Return the upper Cholesky factor of the inverse; a little is added to the diagonal so that there is one."""
    size = len(second_moment)
    damped = second_moment + torch.eye(size) * (damping * second_moment.diagonal().mean() + 1e-6)
    factor: Tensor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)
    return factor


def _linear_layers(model: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """Yield the linear layers of the transformer; the classification head, which is small, stays in fp32."""
    transformer = model.get_submodule("distilbert.transformer")
    return ((name, module) for name, module in transformer.named_modules() if isinstance(module, nn.Linear))


def _second_moments(reference: PyTorchReference, texts: Sequence[str]) -> dict[str, Tensor]:
    sums: dict[str, Tensor] = {}
    with _watch_inputs(reference.model, sums):
        # messages of one length at a time: padding would count as input
        reference.logits(texts, same_length=True, description="calibrating")
    return sums


@contextmanager
def _watch_inputs(model: nn.Module, sums: dict[str, Tensor]) -> Iterator[None]:
    def watch(name: str, layer: nn.Linear) -> torch.utils.hooks.RemovableHandle:
        def add(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            rows = arguments[0].reshape(-1, layer.in_features)
            sums[name] = sums.get(name, torch.zeros(())) + rows.T @ rows

        return layer.register_forward_pre_hook(add)

    handles = [watch(name, layer) for name, layer in _linear_layers(model)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
