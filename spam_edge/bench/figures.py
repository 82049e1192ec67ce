"""Compare measured settings and choose the best. A difference within the noise keeps the defaults."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spam_edge.options import RuntimeOptions

_ROUNDS_TO_TELL = 3  # fewer rounds do not show the noise
_WORTH_IT = 1.05  # a smaller speed-up keeps the defaults, even if it is significant


@dataclass(frozen=True, slots=True)
class Figures:
    """Measurements of one setting.

    Attributes:
        options: runtime options; defaults are kept as defaults, such as ``auto`` or None.
        variant: model variant.
        threads: concurrent inferences.
        token_budget: maximum tokens per batch.
        call: approximate messages per call.
        rates: throughput of each round, in messages of mean length per second.
        milliseconds: latency of each message classified alone, over all rounds; may be empty.
    """

    options: RuntimeOptions
    variant: str
    threads: int
    token_budget: int
    call: int
    rates: tuple[float, ...]
    milliseconds: tuple[float, ...]

    @property
    def setting(self) -> str:
        """The variant and thread count, human-readable."""
        return f"{self.variant} on {self.threads} thread{'s' * (self.threads != 1)}"

    @property
    def budget(self) -> str:
        """The token budget, human-readable."""
        return f"a budget of {self.token_budget:,} tokens"

    @property
    def rate(self) -> float:
        """The throughput in messages per second, median of the rounds."""
        return float(np.median(self.rates))

    def percentile(self, share: float) -> float:
        """Return a percentile (0 to 100) of the latency of one message, in milliseconds."""
        return float(np.percentile(self.milliseconds, share))

    def clearly_faster_than(self, other: "Figures") -> bool:
        """Return whether the slowest round beats the other's fastest, given enough rounds and speed-up."""
        told_apart = len(self.rates) >= _ROUNDS_TO_TELL and min(self.rates) > max(other.rates)
        return told_apart and self.rate > _WORTH_IT * other.rate

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "variant": self.variant,
            "threads": self.threads,
            "token_budget": self.token_budget,
            "messages_per_call": self.call,
            "messages_per_s": {
                "median": round(self.rate, 2),
                "min": round(min(self.rates), 2),
                "max": round(max(self.rates), 2),
                "rounds": len(self.rates),
            },
            "one_message_ms": {
                "p50": round(self.percentile(50), 3),
                "p95": round(self.percentile(95), 3),
                "n": len(self.milliseconds),
            }
            if self.milliseconds
            else None,
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """The best of several settings.

    Attributes:
        measured: all settings.
        default: the default setting.
        best: the recommended setting.
        reason: reason for the recommendation, one clause.
    """

    measured: tuple[Figures, ...]
    default: Figures
    best: Figures
    reason: str


def choose(measured: Sequence[Figures], default: RuntimeOptions, name: Callable[[Figures], str]) -> Choice:
    """Choose the fastest setting that is clearly faster than the default, else the default.

    Args:
        measured: figures of all settings, including the default.
        default: options of the default setting.
        name: formats the varied part of a setting, human-readable.
    """
    usual = next(figures for figures in measured if figures.options == default)
    fastest = max(measured, key=lambda figures: figures.rate)
    clear = [figures for figures in measured if figures.clearly_faster_than(usual)]
    best = max(clear, key=lambda figures: figures.rate, default=usual)
    if len(measured) == 1:
        reason = f"{name(usual)} was the only setting to measure"
    elif fastest is usual:
        reason = f"{name(usual)}, the default, was the fastest"
    elif best is not usual:
        reason = f"{name(best)} was {_gain(best, usual)} faster than {name(usual)}, the default"
    else:
        doubt = "within the noise or too small to matter"
        if len(usual.rates) < _ROUNDS_TO_TELL:
            doubt = f"fewer than {_ROUNDS_TO_TELL} rounds cannot rule out noise (increase --seconds)"
        difference = f"{name(fastest)} was {_gain(fastest, usual)} faster than {name(usual)}, the default"
        reason = f"{difference}: {doubt}, so the default stays"
    return Choice(tuple(measured), usual, best, reason)


def _gain(figures: Figures, usual: Figures) -> str:
    return f"{figures.rate / usual.rate - 1:.1%}"
