"""``evaluation.json``, read and checked for what every reader of it needs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spam_edge.errors import InputError

OURS, BASELINE, PYTORCH = "spam_edge", "char_svm", "pytorch"
"""The system that ships, the one it has to beat, and what it was made from, as they are called in ``systems``."""
WHOLE_MESSAGE = "whole message"
"""The level of an attack that knows no strengths."""
HEADLINE = "recall_at_fpr_0.1pct"
SCHEMA_VERSION = 2
_REQUIRED = ("corpus", "systems")


def read_evaluation(path: Path) -> dict[str, Any]:
    """Read ``evaluation.json``.

    Raises:
        InputError: it cannot be read, is no JSON object, has another schema or lacks what every evaluation has.
    """
    try:
        evaluation = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}); run `make evaluate` again") from error
    if not isinstance(evaluation, dict):
        raise InputError(f"{path} holds no JSON object; run `make evaluate` again")
    if (found := evaluation.get("schema_version")) != SCHEMA_VERSION:
        raise InputError(f"{path} has schema_version {found}, not {SCHEMA_VERSION}; run `make evaluate` again")
    if missing := [name for name in _REQUIRED if not isinstance(evaluation.get(name), dict)]:
        raise InputError(f"{path} lacks {', '.join(missing)}; run `make evaluate` again")
    return evaluation


def title_of(evaluation: Mapping[str, Any], system: str) -> str:
    """Return the title of a system, or its name with blanks where it was not measured."""
    return str(evaluation["systems"].get(system, {}).get("title") or system.replace("_", " "))


def headline(evaluation: Mapping[str, Any], system: str) -> Mapping[str, Any] | None:
    """Return the recall at one false alarm in a thousand of a system, one vote per cluster, where it was measured."""
    found: Mapping[str, Any] | None = evaluation["systems"].get(system, {}).get("by_cluster", {}).get(HEADLINE)
    return found
