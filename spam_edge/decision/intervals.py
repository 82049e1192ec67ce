"""Clopper-Pearson confidence intervals of binomial rates, and the sample sizes they require."""

import math
from collections.abc import Mapping
from typing import Any

CONFIDENCE = 0.95
_HALVINGS = 64
_NOTHING = 1e-12


def clopper_pearson(count: int, n: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact two-sided confidence interval of a binomial rate (Clopper and Pearson 1934).

    At the lower end, ``count`` or more hits have the probability ``(1 - confidence) / 2``; at the upper end, ``count``
    or fewer.

    Args:
        count: number of hits, 0 to ``n``.
        n: number of trials; 0 gives the interval (0, 1).
        confidence: coverage probability, between 0 and 1.

    Raises:
        ValueError: ``count`` or ``confidence`` is out of range.
    """
    _check(count, n, confidence)
    tail = (1 - confidence) / 2
    return 1 - _upper_end(n - count, n, tail), _upper_end(count, n, tail)


def highest_rate(count: int, n: int, *, confidence: float = CONFIDENCE) -> float:
    """Return the one-sided upper confidence bound of a rate; with 0 hits at 95 %, about 3 / n.

    Arguments and errors as in :func:`clopper_pearson`.
    """
    _check(count, n, confidence)
    return _upper_end(count, n, 1 - confidence)


def hits_allowed(rate: float, n: int, *, confidence: float = CONFIDENCE) -> int | None:
    """Return the largest count whose :func:`highest_rate` is at most ``rate``, or None if 0 hits exceed it."""
    if rate >= 1:
        return n
    count, cumulated = 0, _probability(0, n, rate)
    while cumulated <= 1 - confidence:
        count += 1
        cumulated += _probability(count, n, rate)
    return count - 1 if count else None


def tries_needed(rate: float, *, confidence: float = CONFIDENCE) -> int | None:
    """Return the number of trials without a hit that show a rate, at 95 % about 3 / ``rate``; None for (almost) 0."""
    if rate < _NOTHING:
        return None
    return 0 if rate >= 1 else math.ceil(math.log(1 - confidence) / math.log1p(-rate))


def _check(count: int, n: int, confidence: float) -> None:
    if not 0 <= count <= n:
        raise ValueError(f"count must be from 0 to n = {n}, not {count}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")


def counted(count: int, n: int) -> dict[str, Any]:
    """Return a rate in the manifest's format: ``value`` (None if ``n`` is 0), ``low``, ``high``, ``count`` and ``n``.

    Arguments as in :func:`clopper_pearson`.
    """
    low, high = clopper_pearson(count, n)
    return {"value": count / n if n else None, "low": low, "high": high, "count": count, "n": n}


def rate_text(rate: Mapping[str, Any]) -> str:
    """Format a measured rate with its 95 % interval and its n."""
    value = "-" if rate["value"] is None else f"{rate['value']:.2%}"
    return f"{value} ({rate['low']:.2%} to {rate['high']:.2%}, n {rate['n']:,})"


def _upper_end(count: int, n: int, tail: float) -> float:
    """Return the rate at which ``count`` or fewer hits in ``n`` trials have the probability ``tail``, by bisection."""
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
    """Return the binomial probability of ``hits``; ``rate`` is below 1."""
    if rate == 0:
        return float(hits == 0)
    return math.exp(_log_ways(hits, n) + hits * math.log(rate) + (n - hits) * math.log1p(-rate))


def _log_ways(hits: int, n: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(hits + 1) - math.lgamma(n - hits + 1)
