"""Find the channels of an activation that are far larger than the others, and how often to repeat each.

Quantised together, a row's largest number sets the step for all of it. In transformers a few channels, always the
same, are many times larger than the rest (Dettmers et al. 2022, "LLM.int8()"). Such a channel is split (Zhao et al.
2019, "Improving Neural Network Quantization without Retraining using Outlier Channel Splitting"): n columns with a
n-th of its value each, all with the weights of the channel. With each column rounded at another n-th of a step, the
sum of the columns is the value rounded as finely as the other channels are: ``sum over j of floor((r + j) / n)`` is
``r`` for whole r (Hermite's identity).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_REMEMBERED = 16  # largest channels of a row
_MOST_COLUMNS = 13
_TINY = torch.finfo(torch.float32).tiny
_COVERED = 0.999  # rows that the columns are enough for; in the others the step grows


@dataclass(frozen=True, slots=True)
class ChannelSplit:
    """How the channels of one activation are split into columns.

    Attributes:
        columns: shape (channels,), columns that share the value of each channel: 1, or another odd number.
    """

    columns: tuple[int, ...]

    @property
    def shares(self) -> NDArray[np.float32]:
        """What one column has of its channel, shape (channels,)."""
        return (1 / np.asarray(self.columns)).astype(np.float32)

    @property
    def repeated(self) -> NDArray[np.int64]:
        """The channel that each column beyond the first takes its value from, shape (more columns,)."""
        return np.repeat(np.arange(len(self.columns)), np.asarray(self.columns) - 1)

    @property
    def offsets(self) -> NDArray[np.float32]:
        """What is added to each column beyond the first before it is rounded, in steps, shape (more columns,).

        The first column has the offset 0, which is why their number is odd.
        """
        offsets = [(j - n // 2) / n for n in self.columns for j in range(n) if j != n // 2]
        return np.asarray(offsets, dtype=np.float32)


class ChannelPeaks:
    """What is remembered of the rows of an activation to split its largest channels."""

    def __init__(self, channels: int) -> None:
        self._peaks = torch.zeros(channels)
        self._sizes: list[Tensor] = []
        self._channels: list[Tensor] = []

    def add(self, rows: Tensor) -> None:
        """Take in rows, shape (rows, channels)."""
        sizes = rows.abs()
        self._peaks = torch.maximum(self._peaks, sizes.amax(dim=0))
        largest = sizes.topk(min(_REMEMBERED, sizes.shape[1]), dim=1)
        self._sizes.append(largest.values)
        self._channels.append(largest.indices.to(torch.int32))

    @property
    def largest(self) -> float:
        """The largest absolute value."""
        return float(self._peaks.max())

    def split(self, outliers: int) -> ChannelSplit:
        """Decide how to split the channels with the highest peaks.

        Args:
            outliers: how many channels to split, fewer than are remembered of a row.
        """
        if not 0 <= outliers < min(_REMEMBERED, len(self._peaks)):
            raise ValueError(f"of {len(self._peaks)} channels, {outliers} cannot be split")
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
