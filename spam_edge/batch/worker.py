"""What runs inside a worker process: one classifier, opened once, and an end when the parent has gone."""

import os
import threading
from collections.abc import Sequence
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from spam_edge.batch.engine import Model, Verdicts, judge

if TYPE_CHECKING:
    from spam_edge.classifier import SpamClassifier

_model: Model
_classifier: "SpamClassifier | None" = None


def begin(model: Model, lifeline: Connection) -> None:
    """Prepare this process. The model is opened with the first texts, where an error finds its way to the parent."""
    global _model  # noqa: PLW0603 - a process of a pool has no other place for what belongs to it
    _model = model
    threading.Thread(target=_end_with_parent, args=(lifeline,), name="spam-edge-lifeline", daemon=True).start()


def work(texts: Sequence[str]) -> Verdicts:
    """Classify texts in this process."""
    global _classifier  # noqa: PLW0603
    if _classifier is None:
        _classifier = _model.open()
    return judge(_classifier, texts)


def _end_with_parent(lifeline: Connection) -> None:
    # The other end of the lifeline closes when the parent lets go of it or is killed.
    parent = parent_process()
    wait([lifeline] if parent is None else [lifeline, parent.sentinel])
    os._exit(1)
