"""Outlier channels: selection, and columns that sum to the value."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from export.quantization.outliers import ChannelPeaks, ChannelSplit


def _rows(*, outlier: float) -> torch.Tensor:
    torch.manual_seed(0)
    rows = torch.rand(500, 20) * 2 - 1
    rows[:, 7] *= outlier
    return rows


def test_largest_channel_is_split_into_odd_column_count() -> None:
    peaks = ChannelPeaks(20)
    for part in _rows(outlier=6).split(100):
        peaks.add(part)
    split = peaks.split(1)
    assert [channel for channel, columns in enumerate(split.columns) if columns > 1] == [7]
    assert split.columns[7] == 7  # the smallest odd number from 6
    assert split.repeated.tolist() == [7] * 6
    assert peaks.largest == pytest.approx(6, rel=0.02)


def test_zero_outliers_split_nothing_and_too_many_are_refused() -> None:
    peaks = ChannelPeaks(20)
    peaks.add(_rows(outlier=6))
    assert set(peaks.split(0).columns) == {1}
    with pytest.raises(ValueError, match="cannot split 16 of 20 channels"):
        peaks.split(16)


@given(
    value=st.floats(-50, 50, allow_nan=False, width=32),
    columns=st.sampled_from([1, 3, 5, 7, 9, 11, 13]),
)
def test_sum_of_rounded_columns_is_within_half_step(value: float, columns: int) -> None:
    split = ChannelSplit((columns,))
    share = value * float(split.shares[0])
    rounded = np.rint([share, *(share + split.offsets)]).sum()
    assert abs(rounded - value) <= 0.5 + 1e-4
