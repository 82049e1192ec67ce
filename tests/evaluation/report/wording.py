"""Format the figures of an evaluation for readers; a rate always has its interval and its n."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

NONE = "—"
METRICS = {
    "recall_at_fpr_0.1pct": "recall at 0.1 % FPR",
    "recall_at_fpr_0.5pct": "recall at 0.5 % FPR",
    "pr_auc": "PR-AUC",
    "f1": "spam F1",
    "mcc": "MCC",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "roc_auc_below_1pct": "ROC-AUC below 1 % FPR",
    "precision_at_1pct_prevalence": "precision at 1 % prevalence",
    "precision_at_13pct_prevalence": "precision at 13 % prevalence",
}
"""Metrics of a system -> their names, the most important first."""
_NAMES = METRICS | {
    "roc_auc": "ROC-AUC",
    "false_positive_rate": "false-positive rate",
    "ece": "ECE, 15 equal-mass bins",
    "brier": "Brier score",
    "nll": "log loss",
    "max_abs_dp": "largest score difference",
    "mean_abs_dp": "mean score difference",
    "recall_change": "recall difference",
    "flips": "label flips",
    "n": "messages",
    "bytes": "size",
    "git_commit": "commit",
    "seconds": "duration, s",
}
_DIGITS = {"false_positive_rate": 2, "ece": 4, "brier": 4, "nll": 4, "max_abs_dp": 4, "mean_abs_dp": 5}
_DECIMALS = {"f1", "mcc", "pr_auc", "roc_auc", "roc_auc_below_1pct", *_DIGITS} - {"false_positive_rate"}
_PERCENTS = set(METRICS) - _DECIMALS | {"false_positive_rate"}
_ENDS = ("value", "low", "high")
_DIFFERENCES = {"recall_change"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A formatted figure.

    Attributes:
        main: the figure.
        small: its interval and n, or another qualification.
        mark: CSS class of a verdict; empty otherwise.
    """

    main: str
    small: str = ""
    mark: str = ""

    def __str__(self) -> str:
        return f"{self.main} {self.small}".strip()


Cell = str | Shown


def name_of(key: str) -> str:
    """Return the name of a key of ``evaluation.json``."""
    return _NAMES.get(key, key.replace("_", " "))


def is_rate(value: Any) -> bool:
    """Return whether a value of ``evaluation.json`` has an interval."""
    return isinstance(value, Mapping) and set(value) >= set(_ENDS)


def is_measured(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """Return whether a rate has a finite value; a rate over zero messages has none."""
    return is_rate(value) and all(value[each] is not None and math.isfinite(value[each]) for each in _ENDS)


def shown(value: Any, key: str = "") -> Shown:
    """Format a value of ``evaluation.json``.

    Args:
        value: a rate, number, text, list or None.
        key: key of the value, which decides between per cent and decimals.
    """
    if key in _DIFFERENCES:
        return difference(value, key)
    return _shown(value, key)


def difference(value: Any, key: str) -> Shown:
    """Format the difference of two values of ``key``, a number or a rate: signed, and in points instead of per cent."""
    text = _shown(value, key if key in _DECIMALS else "recall")
    number = value["value"] if is_rate(value) else value
    sign = "+" if number is not None and number > 0 else ""
    return Shown(sign + text.main.replace(" %", " points"), text.small)


def _shown(value: Any, key: str) -> Shown:
    if not is_rate(value):
        return Shown(_plain(value, key))
    percent = key not in _DECIMALS
    low, high = (_number(value[end], key, percent=percent).removesuffix(" %") for end in ("low", "high"))
    n = "" if value.get("n") is None else f", n = {value['n']:,}"
    return Shown(_number(value["value"], key, percent=percent), f"[{low}, {high}]{n}")


def pairs(values: Mapping[str, Any], parent: str = "") -> Iterator[tuple[str, Shown]]:
    """Yield the names and formatted values of a mapping, with one level of nesting flattened."""
    for key, value in values.items():
        if isinstance(value, Mapping) and not is_rate(value):
            yield from pairs(value, key)
        else:
            kind = "bytes" if "bytes" in (parent, key) or key.endswith("_bytes") else key
            yield f"{name_of(parent)}: {name_of(key)}" if parent else name_of(key), shown(value, kind)


def visible(text: str) -> str:
    """Return a message with line breaks and unprintable characters written out."""
    text = text.replace("\r\n", "\n").replace("\n", " ↵ ")
    return "".join(each if each.isprintable() else f"⟨U+{ord(each):04X}⟩" for each in text)


def _plain(value: Any, key: str) -> str:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and key == "bytes":
        return f"{value / 1e6:.1f} MB"
    if isinstance(value, int | float):
        return _number(value, key, percent=key in _PERCENTS)
    if isinstance(value, list | tuple):
        return ", ".join(_plain(each, key) for each in value)
    return str(value)


def _number(value: float | None, key: str, *, percent: bool) -> str:
    if value is None or not math.isfinite(value):
        return NONE
    if percent:
        return f"{100 * value:.{_DIGITS.get(key, 1)}f} %"
    if key in _DECIMALS:
        return f"{value:.{_DIGITS.get(key, 3)}f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
