"""How sure a rate is that was counted: Clopper-Pearson intervals."""

import math
from typing import Any

CONFIDENCE = 0.95
_HALVINGS = 64


def clopper_pearson(count: int, n: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact interval of a binomial rate (Clopper and Pearson 1934).

    Its ends are the rates at which so many hits or more, or so many or fewer, have the probability
    ``(1 - confidence) / 2``.

    Args:
        count: hits, from 0 to ``n``.
        n: tries; of none at all nothing is known.
        confidence: how often such an interval holds the true rate, at least.

    Raises:
        ValueError: ``count`` is not from 0 to ``n``, or ``confidence`` not between 0 and 1.
    """
    if not 0 <= count <= n:
        raise ValueError(f"count must be from 0 to n = {n}, not {count}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    tail = (1 - confidence) / 2
    return 1 - _upper_end(n - count, n, tail), _upper_end(count, n, tail)


def counted(count: int, n: int) -> dict[str, Any]:
    """Return a rate as a manifest has it: ``value``, ``low``, ``high``, ``count`` and ``n``; of no tries, no value.

    The arguments are those of :func:`clopper_pearson`.
    """
    low, high = clopper_pearson(count, n)
    return {"value": count / n if n else None, "low": low, "high": high, "count": count, "n": n}


def _upper_end(count: int, n: int, tail: float) -> float:
    """Return the rate at which at most ``count`` hits of ``n`` tries have the probability ``tail``."""
    if count == n:
        return 1.0
    coefficients = [math.lgamma(n + 1) - math.lgamma(hits + 1) - math.lgamma(n - hits + 1) for hits in range(count + 1)]
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        rate = (low + high) / 2
        hit, miss = math.log(rate), math.log1p(-rate)
        terms = (c + hits * hit + (n - hits) * miss for hits, c in enumerate(coefficients))
        if math.fsum(map(math.exp, terms)) > tail:
            low = rate
        else:
            high = rate
    return (low + high) / 2
