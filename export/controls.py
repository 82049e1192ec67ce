"""Harmless messages of the kinds that filters take for spam: how many of them a bundle does, and what follows."""

from collections.abc import Mapping
from typing import Any

from export.checkpoint import Checkpoint
from export.closest import Report
from export.errors import GateError
from spam_edge.classifier import SpamClassifier
from spam_edge.intervals import counted
from spam_edge.training.disguises import CONTROLS, ham_controls

LIMIT = 0.03
"""Share of the controls of one kind that a bundle of the default corpus may call spam."""


def measure_controls(classifier: SpamClassifier) -> dict[str, dict[str, Any]]:
    """Return the title of each kind, and how many of its messages are called spam, by the id of the kind."""
    return {
        name: {
            "title": CONTROLS[name].title,
            **counted(int((classifier.score(texts) >= classifier.threshold).sum()), len(texts)),
        }
        for name, texts in ham_controls().items()
    }


def judge_controls(
    controls: Mapping[str, Mapping[str, Any]], checkpoint: Checkpoint, report: Report, *, enforce: bool
) -> None:
    """Stop a bundle of the default corpus that does not know harmless messages; of any other, say so in one line.

    There are 60 messages of a kind, and 2 of them are more than 3 % already. A model trained on another processor or
    with another seed differs by as many. So the gate stops what is more than that by the 95 % interval, 6 of 60; of
    less it says so.

    Args:
        controls: as :func:`measure_controls` returns them.
        checkpoint: what was exported.
        report: called with the line.
        enforce: whether anything is stopped at all.

    Raises:
        GateError: more than :data:`LIMIT` of one kind are called spam, by the whole interval.
    """
    called = [
        f"{name} {control['title']}: {control['count']} of {control['n']}"
        for name, control in controls.items()
        if control["value"] > LIMIT
    ]
    if not called:
        report(f"harmless controls: of no kind more than {LIMIT:.0%} are called spam")
        return
    found = f"more than {LIMIT:.0%} of a kind of harmless messages are called spam ({'; '.join(called)})"
    if checkpoint.is_of_own_files:
        report(f"{found}: add such messages to your files, or use the bundle where there are none")
    elif not checkpoint.knows_notices:
        report(f"{found}: trained without notices, this bundle is for comparison with papers")
    elif enforce and any(control["low"] > LIMIT for control in controls.values()):
        raise GateError(
            f"the gate failed, nothing was exported: {found}; train with the default settings, or with another seed"
        )
    else:
        report(found)
