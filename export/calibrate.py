"""Run the training messages through the model and keep what its linear layers see."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from export.errors import ExportError
from export.outliers import ChannelPeaks
from export.reference import PyTorchReference

CALIBRATION_TEXTS = 4096
"""At most so many messages of the training split stand for all."""
MINIMUM_TEXTS = 64


class Activations:
    """What one linear layer saw.

    Attributes:
        second_moment: shape (channels, channels), the sum of x x^T over its inputs x, one for each token.
        peaks: its largest channels.
    """

    def __init__(self, channels: int) -> None:
        self.second_moment = torch.zeros(channels, channels)
        self.peaks = ChannelPeaks(channels)

    def add(self, rows: Tensor) -> None:
        """Take in inputs, shape (tokens, channels)."""
        self.second_moment += rows.T @ rows
        self.peaks.add(rows)


def watch_linear_layers(reference: PyTorchReference, texts: Sequence[str]) -> dict[str, Activations]:
    """Run messages of the training split through the model.

    Of the last layer, only what is computed for the first token counts; see :mod:`export.first_token`.

    Args:
        reference: the trained model.
        texts: messages of the training split, of which at most :data:`CALIBRATION_TEXTS` are run.

    Returns:
        By name, such as ``layer.0.ffn.lin1``, what each linear layer of the transformer saw.

    Raises:
        ExportError: there are too few messages to learn from.
    """
    if len(texts) < MINIMUM_TEXTS:
        raise ExportError(
            f"{len(texts)} training messages are too few to calibrate int8 weights; at least {MINIMUM_TEXTS} are needed"
        )
    count = min(CALIBRATION_TEXTS, len(texts))
    sample = [texts[index * len(texts) // count] for index in range(count)]
    transformer = reference.model.get_submodule("distilbert.transformer")
    layers = {name: module for name, module in transformer.named_modules() if isinstance(module, nn.Linear)}
    last = f"layer.{reference.model.config.n_layers - 1}."
    first_only = {name for name in layers if name.startswith(last) and not name.endswith(("k_lin", "v_lin"))}
    sources = {name: _source_of(name, first_only) for name in layers}
    seen = {source: Activations(layers[source].in_features) for source in sources.values()}
    with _watch({name: layers[name] for name in seen}, seen, first_only=first_only):
        # messages of one length at a time: padding would count as input
        reference.logits(sample, same_length=True, description="calibrating")
    return {name: seen[source] for name, source in sources.items()}


def _source_of(name: str, first_only: set[str]) -> str:
    """Name the layer whose input is the same, so that it is looked at once: queries and keys see what values see."""
    return name if name in first_only else re.sub(r"[qk]_lin$", "v_lin", name)


@contextmanager
def _watch(layers: dict[str, nn.Linear], seen: dict[str, Activations], *, first_only: set[str]) -> Iterator[None]:
    def hook(name: str, layer: nn.Linear) -> torch.utils.hooks.RemovableHandle:
        def add(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            tokens = arguments[0][:, :1] if name in first_only else arguments[0]
            seen[name].add(tokens.reshape(-1, layer.in_features))

        return layer.register_forward_pre_hook(add)

    handles = [hook(name, layer) for name, layer in layers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
