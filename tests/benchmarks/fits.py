"""Whether something grows in proportion: a straight line, and the exponent from point to point."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np


def line(sizes: Sequence[float], values: Sequence[float]) -> dict[str, float]:
    """Fit ``values = start + slope x sizes`` so that each point counts by its relative error.

    Returns:
        ``start``, ``slope``, and ``worst``: the largest distance of a point from the line, as a share of its value.
    """
    size, value = np.asarray(sizes, dtype=np.float64), np.asarray(values, dtype=np.float64)
    columns = np.stack([np.ones_like(size), size], axis=1)
    (start, slope), *_ = np.linalg.lstsq(columns / value[:, None], np.ones_like(value))
    worst = float(np.max(np.abs(start + slope * size - value) / value))
    return {"start": float(start), "slope": float(slope), "worst": worst}


def exponents(sizes: Sequence[float], values: Sequence[float]) -> list[float | None]:
    """Return, for each point, the power of the size by which the value grew since the last one; None for the first.

    In proportion is 1, not at all is 0; a knee is a step in this column.
    """
    steps: list[Any] = [
        float(np.log(value / before) / np.log(size / smaller))
        for (smaller, size), (before, value) in zip(pairwise(sizes), pairwise(values), strict=True)
    ]
    return [None, *steps]
