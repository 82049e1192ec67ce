"""The measured figures of ``manifest.json`` that the runtime shows. Others are for people and not checked."""

from collections.abc import Mapping
from typing import Any

from spam_edge.bundle.checks import Check, InvalidValueError, each_value, entries, integer, optional, share, text

RATES = ("precision", "recall", "false_positive_rate")
"""Rates measured per mode."""


def check_metrics(value: object, name: str) -> dict[str, Any]:
    """Check the figures, all of them optional.

    Raises:
        InvalidValueError: a figure that the runtime shows has the wrong form.
    """
    metrics = entries(value, name)
    tables = {"modes": each_value(_mode), "unsure": each_value(_rate), "controls": each_value(_control), "gpu": _gpu}
    _check(metrics, name, tables)
    if "today" in metrics:
        _check(entries(metrics["today"], f"{name}.today"), f"{name}.today", {"modes": each_value(_mode)})
    return metrics


def _mode(value: object, name: str) -> None:
    _check(entries(value, name), name, dict.fromkeys(RATES, _rate))


def _control(value: object, name: str) -> None:
    _rate(value, name)
    text(entries(value, name).get("title"), f"{name}.title")


def _rate(value: object, name: str) -> None:
    _require(value, name, {"value": optional(share), "low": share, "high": share, "n": integer})


def _gpu(value: object, name: str) -> None:
    _require(value, name, {"card": text, "date": text, "max_abs_dp": share, "flips": integer, "n": integer})


def _require(value: object, name: str, checks: Mapping[str, Check[Any]]) -> None:
    found = entries(value, name)
    for key, check in checks.items():
        if key not in found:
            raise InvalidValueError(f"the field {name}.{key} is missing")
        check(found[key], f"{name}.{key}")


def _check(found: Mapping[str, Any], name: str, checks: Mapping[str, Check[Any]]) -> None:
    for key, check in checks.items():
        if key in found:
            check(found[key], f"{name}.{key}")
