"""How sure a rate is that was counted: Clopper-Pearson intervals, and what they take to show a rate."""

import math
from typing import Any

CONFIDENCE = 0.95
_HALVINGS = 64
_NOTHING = 1e-12


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
    _check(count, n, confidence)
    tail = (1 - confidence) / 2
    return 1 - _upper_end(n - count, n, tail), _upper_end(count, n, tail)


def highest_rate(count: int, n: int, *, confidence: float = CONFIDENCE) -> float:
    """Return the upper end of the one-sided interval: no hit of n shows a rate of at most about 3 / n.

    The arguments and errors are those of :func:`clopper_pearson`.
    """
    _check(count, n, confidence)
    return _upper_end(count, n, 1 - confidence)


def hits_allowed(rate: float, n: int, *, confidence: float = CONFIDENCE) -> int | None:
    """Return the most hits of which ``n`` tries show that the rate is at most ``rate``; None where 0 would not.

    It is the largest count whose :func:`highest_rate` is no higher than ``rate``.
    """
    if rate >= 1:
        return n
    count, cumulated = 0, _probability(0, n, rate)
    while cumulated <= 1 - confidence:
        count += 1
        cumulated += _probability(count, n, rate)
    return count - 1 if count else None


def tries_needed(rate: float, *, confidence: float = CONFIDENCE) -> int | None:
    """Return how many tries without a hit show a rate, about 3 / ``rate`` at 95 %; None of 0 and what is next to it."""
    if rate < _NOTHING:
        return None
    return 0 if rate >= 1 else math.ceil(math.log(1 - confidence) / math.log1p(-rate))


def _check(count: int, n: int, confidence: float) -> None:
    if not 0 <= count <= n:
        raise ValueError(f"count must be from 0 to n = {n}, not {count}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")


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
    ways = [_log_ways(hits, n) for hits in range(count + 1)]
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        rate = (low + high) / 2
        hit, miss = math.log(rate), math.log1p(-rate)
        terms = (way + hits * hit + (n - hits) * miss for hits, way in enumerate(ways))
        if math.fsum(map(math.exp, terms)) > tail:
            low = rate
        else:
            high = rate
    return (low + high) / 2


def _probability(hits: int, n: int, rate: float) -> float:
    """Return the binomial probability of so many hits; ``rate`` is below 1."""
    if rate == 0:
        return float(hits == 0)
    return math.exp(_log_ways(hits, n) + hits * math.log(rate) + (n - hits) * math.log1p(-rate))


def _log_ways(hits: int, n: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(hits + 1) - math.lgamma(n - hits + 1)
