"""Run training messages through the model and collect input statistics of its linear layers."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from export.errors import ExportError
from export.quantization.outliers import ChannelPeaks
from export.reference import PyTorchReference

CALIBRATION_TEXTS = 1024
"""Highest number of training messages that are run: some 40,000 tokens for at most 3,072 channels."""
MINIMUM_TEXTS = 64


class Activations:
    """Input statistics of one linear layer.

    Attributes:
        second_moment: shape (channels, channels), the sum of x x^T over the inputs x, one per token.
        peaks: its largest channels.
    """

    def __init__(self, channels: int) -> None:
        self.second_moment = torch.zeros(channels, channels)
        self.peaks = ChannelPeaks(channels)

    def add(self, rows: Tensor) -> None:
        """Accumulate inputs, shape (tokens, channels)."""
        self.second_moment += rows.T @ rows
        self.peaks.add(rows)


def watch_linear_layers(reference: PyTorchReference, texts: Sequence[str]) -> dict[str, Activations]:
    """Collect the input statistics of every linear layer of the transformer.

    In the last layer, all but keys and values count only the first token; see :mod:`export.graphs.first_token`.

    Args:
        reference: the trained model.
        texts: messages of the training split; at most :data:`CALIBRATION_TEXTS` of them are run.

    Returns:
        Statistics by layer name, such as ``layer.0.ffn.lin1``.

    Raises:
        ExportError: fewer than :data:`MINIMUM_TEXTS` messages.
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
        # Padding would count as input, so each batch has one length.
        reference.logits(sample, same_length=True, description="calibrating")
    return {name: seen[source] for name, source in sources.items()}


def _source_of(name: str, first_only: set[str]) -> str:
    """Return the layer whose statistics apply: queries and keys have the same input as values."""
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
