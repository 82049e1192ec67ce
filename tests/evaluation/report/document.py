"""Read ``evaluation.json`` and check the keys that every reader needs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spam_edge.errors import InputError

OURS, BASELINE, PYTORCH = "spam_edge", "char_svm", "pytorch"
"""Keys of ``systems``: the shipped system, the baseline to beat, and the PyTorch model it was exported from."""
WHOLE_MESSAGE = "whole message"
"""Level of an attack that has no levels."""
HEADLINE = "recall_at_fpr_0.1pct"
SCHEMA_VERSION = 2
_REQUIRED = ("corpus", "systems")


def read_evaluation(path: Path) -> dict[str, Any]:
    """Read ``evaluation.json``.

    Raises:
        InputError: the file cannot be read, is not a JSON object, has another schema version or lacks a required key.
    """
    try:
        evaluation = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}); run `make evaluate` again") from error
    if not isinstance(evaluation, dict):
        raise InputError(f"{path} is not a JSON object; run `make evaluate` again")
    if (found := evaluation.get("schema_version")) != SCHEMA_VERSION:
        raise InputError(f"{path} has schema_version {found}, not {SCHEMA_VERSION}; run `make evaluate` again")
    if missing := [name for name in _REQUIRED if not isinstance(evaluation.get(name), dict)]:
        raise InputError(f"{path} lacks {', '.join(missing)}; run `make evaluate` again")
    return evaluation


def title_of(evaluation: Mapping[str, Any], system: str) -> str:
    """Return the title of a system; if it was not measured, its key with spaces for underscores."""
    return str(evaluation["systems"].get(system, {}).get("title") or system.replace("_", " "))


def headline(evaluation: Mapping[str, Any], system: str) -> Mapping[str, Any] | None:
    """Return a system's recall at 0.1 % false-positive rate, one vote per cluster; None if it was not measured."""
    found: Mapping[str, Any] | None = evaluation["systems"].get(system, {}).get("by_cluster", {}).get(HEADLINE)
    return found
