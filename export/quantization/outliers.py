"""Find the outlier channels of an activation, and decide into how many columns to split each.

The largest value of a row sets the quantisation step of the whole row. In transformers, a few fixed channels are many
times larger than the rest (Dettmers et al. 2022, "LLM.int8()"). Such a channel is split (Zhao et al. 2019, "Improving
Neural Network Quantization without Retraining using Outlier Channel Splitting") into n columns with 1/n of its value
each, all with the weights of the channel. Each column is rounded with another offset, a multiple of 1/n of a step, so
that the sum of the columns is rounded as finely as the other channels: ``sum over j of floor((r + j) / n)`` is ``r``
for integer r (Hermite's identity).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_REMEMBERED = 16  # largest channels kept per row
_MOST_COLUMNS = 13
_TINY = torch.finfo(torch.float32).tiny
_COVERED = 0.999  # share of rows that the columns suffice for; in the others the step grows


@dataclass(frozen=True, slots=True)
class ChannelSplit:
    """How the channels of one activation are split into columns.

    Attributes:
        columns: shape (channels,), number of columns of each channel: 1, or another odd number.
    """

    columns: tuple[int, ...]

    @property
    def shares(self) -> NDArray[np.float32]:
        """Split factor of each channel, 1 / number of columns, shape (channels,)."""
        return (1 / np.asarray(self.columns)).astype(np.float32)

    @property
    def repeated(self) -> NDArray[np.int64]:
        """Source channel of each column beyond the first, shape (extra columns,)."""
        return np.repeat(np.arange(len(self.columns)), np.asarray(self.columns) - 1)

    @property
    def offsets(self) -> NDArray[np.float32]:
        """Rounding offset of each column beyond the first, in steps, shape (extra columns,).

        The first column has offset 0, so the number of columns is odd.
        """
        offsets = [(j - n // 2) / n for n in self.columns for j in range(n) if j != n // 2]
        return np.asarray(offsets, dtype=np.float32)


class ChannelPeaks:
    """Statistics of the rows of an activation, used to split its largest channels."""

    def __init__(self, channels: int) -> None:
        self._peaks = torch.zeros(channels)
        self._sizes: list[Tensor] = []
        self._channels: list[Tensor] = []

    def add(self, rows: Tensor) -> None:
        """Accumulate rows, shape (rows, channels)."""
        sizes = rows.abs()
        self._peaks = torch.maximum(self._peaks, sizes.amax(dim=0))
        largest = sizes.topk(min(_REMEMBERED, sizes.shape[1]), dim=1)
        self._sizes.append(largest.values)
        self._channels.append(largest.indices.to(torch.int32))

    @property
    def largest(self) -> float:
        """Largest absolute value."""
        return float(self._peaks.max())

    def split(self, outliers: int) -> ChannelSplit:
        """Decide how to split the channels with the highest peaks.

        Args:
            outliers: number of channels to split, fewer than the number kept per row.

        Raises:
            ValueError: ``outliers`` is out of range.
        """
        if not 0 <= outliers < min(_REMEMBERED, len(self._peaks)):
            raise ValueError(f"cannot split {outliers} of {len(self._peaks)} channels")
        highest = self._peaks.argsort(descending=True, stable=True)[:outliers]
        sizes, channels = torch.cat(self._sizes), torch.cat(self._channels)
        others = sizes.masked_fill(torch.isin(channels, highest), 0).amax(dim=1).clamp(min=_TINY)
        columns = [1] * len(self._peaks)
        for channel in highest.tolist():
            excess = (sizes * (channels == channel)).amax(dim=1) / others
            columns[channel] = _next_odd(float(np.quantile(excess.numpy(), _COVERED)))
        return ChannelSplit(tuple(columns))


def _next_odd(count: float) -> int:
    return min(2 * math.ceil((max(count, 1.0) - 1) / 2) + 1, _MOST_COLUMNS)
