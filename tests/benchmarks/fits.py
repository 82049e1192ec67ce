"""Test for linear growth: a fitted line, and the local exponent between neighbouring points."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np


def line(sizes: Sequence[float], values: Sequence[float]) -> dict[str, float]:
    """Fit ``values = start + slope x sizes`` with least squares on the relative errors.

    Returns:
        ``start``, ``slope``, and ``worst``: the largest distance of a point from the line, as a share of its value.
    """
    size, value = np.asarray(sizes, dtype=np.float64), np.asarray(values, dtype=np.float64)
    columns = np.stack([np.ones_like(size), size], axis=1)
    (start, slope), *_ = np.linalg.lstsq(columns / value[:, None], np.ones_like(value))
    worst = float(np.max(np.abs(start + slope * size - value) / value))
    return {"start": float(start), "slope": float(slope), "worst": worst}


def exponents(sizes: Sequence[float], values: Sequence[float]) -> list[float | None]:
    """Return the exponent of the growth from each point's predecessor; None for the first.

    Linear growth has exponent 1, a constant 0. A step in the exponents is a knee.
    """
    steps: list[Any] = [
        float(np.log(value / before) / np.log(size / smaller))
        for (smaller, size), (before, value) in zip(pairwise(sizes), pairwise(values), strict=True)
    ]
    return [None, *steps]
