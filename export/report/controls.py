"""Count how many harmless control messages a bundle calls spam, and gate on the result."""

from collections.abc import Callable, Mapping
from typing import Any

from export.checkpoint import Checkpoint
from export.errors import GateError
from spam_edge.classifier import SpamClassifier
from spam_edge.decision.intervals import counted
from spam_edge.training.attacks import CONTROLS, ham_controls

LIMIT = 0.03
"""Highest share of the controls of one kind that a bundle of the default corpus may call spam."""


def measure_controls(classifier: SpamClassifier) -> dict[str, dict[str, Any]]:
    """Return title, count and share of controls called spam, by the id of the kind."""
    return {
        name: {
            "title": CONTROLS[name].title,
            **counted(int((classifier.score(texts) >= classifier.threshold).sum()), len(texts)),
        }
        for name, texts in ham_controls().items()
    }


def check_controls(
    controls: Mapping[str, Mapping[str, Any]], checkpoint: Checkpoint, report: Callable[[str], None], *, enforce: bool
) -> None:
    """Fail if a bundle of the default corpus calls harmless controls spam; otherwise report in one line.

    Each kind has 60 messages, so 2 already exceed 3 %, and another processor or seed changes the count by as much. The
    gate therefore fails only if the 95 % interval exceeds the limit, from 6 of 60; fewer are reported.

    Args:
        controls: result of :func:`measure_controls`.
        checkpoint: exported checkpoint.
        report: called with the line.
        enforce: whether the gate can fail.

    Raises:
        GateError: the 95 % interval of a kind lies above :data:`LIMIT`.
    """
    called = [
        f"{name} {control['title']}: {control['count']} of {control['n']}"
        for name, control in controls.items()
        if control["value"] > LIMIT
    ]
    if not called:
        report(f"harmless controls: at most {LIMIT:.0%} of each kind are called spam")
        return
    found = f"more than {LIMIT:.0%} of the harmless controls of a kind are called spam ({'; '.join(called)})"
    if checkpoint.is_of_own_files:
        report(f"{found}: add such messages to your files, or use the bundle only where none occur")
    elif not checkpoint.knows_notices:
        report(f"{found}: trained without notices, this bundle is for comparison with papers")
    elif enforce and any(control["low"] > LIMIT for control in controls.values()):
        raise GateError(
            f"the gate failed, nothing was exported: {found}; train with the default settings, or with another seed"
        )
    else:
        report(found)
