"""What was measured of settings, and which of them is best: noise is no reason to leave the defaults."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spam_edge.session import RuntimeOptions

_ROUNDS_TO_TELL = 3  # with fewer, nobody knows what is noise
_WORTH_IT = 1.05  # a smaller gain is no reason to leave the defaults, however surely it was measured


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one setting.

    Attributes:
        options: of the runtime; what is the default there is left at its default here.
        variant: name of the ONNX file.
        threads: inferences side by side.
        token_budget: most tokens of a batch.
        call: messages in a call, about.
        rates: messages of mean length per second, by round.
        milliseconds: time of each message that was classified by itself, in all rounds; none if none was.
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
        """File and threads, for people."""
        return f"{self.variant} on {self.threads} thread{'s' * (self.threads != 1)}"

    @property
    def budget(self) -> str:
        """The token budget, for people."""
        return f"a budget of {self.token_budget:,} tokens"

    @property
    def rate(self) -> float:
        """Messages per second in the median of the rounds."""
        return float(np.median(self.rates))

    def percentile(self, share: float) -> float:
        """Milliseconds that one message takes at most, in ``share`` percent of the cases."""
        return float(np.percentile(self.milliseconds, share))

    def clearly_faster_than(self, other: "Figures") -> bool:
        """Whether the slowest round was faster than the other's fastest, with enough rounds and enough of a gain."""
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
    """Which of some settings to take.

    Attributes:
        measured: all of them.
        default: the one that is taken if nobody chooses.
        best: the one to take.
        reason: why, in one sentence.
    """

    measured: tuple[Figures, ...]
    default: Figures
    best: Figures
    reason: str


def choose(measured: Sequence[Figures], default: RuntimeOptions, name: Callable[[Figures], str]) -> Choice:
    """Take the fastest of the settings that are clearly faster than the default, else the default.

    Args:
        measured: figures of all settings, the default among them.
        default: its options.
        name: names a setting for people by what is varied.
    """
    usual = next(figures for figures in measured if figures.options == default)
    fastest = max(measured, key=lambda figures: figures.rate)
    clear = [figures for figures in measured if figures.clearly_faster_than(usual)]
    best = max(clear, key=lambda figures: figures.rate, default=usual)
    if len(measured) == 1:
        reason = f"{name(usual)} was the only one to measure"
    elif fastest is usual:
        reason = f"{name(usual)}, the default, was the fastest"
    elif best is not usual:
        reason = f"{name(best)} was {_gain(best, usual)} faster than {name(usual)}, the default"
    else:
        doubt = "within the spread of the rounds or too little to matter"
        if len(usual.rates) < _ROUNDS_TO_TELL:
            doubt = (
                f"no more than noise for all that fewer than {_ROUNDS_TO_TELL} rounds can tell (--seconds gives more)"
            )
        difference = f"{name(fastest)} was {_gain(fastest, usual)} faster than {name(usual)}, the default"
        reason = f"{difference}: {doubt}, so the default stays"
    return Choice(tuple(measured), usual, best, reason)


def _gain(figures: Figures, usual: Figures) -> str:
    return f"{figures.rate / usual.rate - 1:.1%}"
