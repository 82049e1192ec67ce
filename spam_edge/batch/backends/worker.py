"""The worker process: opens one classifier once, and exits when the parent does."""

import os
import threading
from collections.abc import Sequence
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from spam_edge.batch.backends.base import Model, Verdicts, classify_texts

if TYPE_CHECKING:
    from spam_edge.classifier import SpamClassifier

_model: Model
_classifier: "SpamClassifier | None" = None


def begin(model: Model, lifeline: Connection) -> None:
    """Initialise a worker. The model opens with the first texts, so that its errors reach the parent."""
    global _model  # noqa: PLW0603 - pool initialisers can only pass state through globals
    _model = model
    try:
        threading.Thread(target=_end_with_parent, args=(lifeline,), name="spam-edge-lifeline", daemon=True).start()
    except RuntimeError:  # the system refuses a thread, and the parent says so
        os._exit(1)


def work(texts: Sequence[str]) -> Verdicts:
    """Classify texts in this process."""
    global _classifier  # noqa: PLW0603
    if _classifier is None:
        _classifier = _model.open()
    return classify_texts(_classifier, texts)


def _end_with_parent(lifeline: Connection) -> None:
    # The lifeline closes when the parent closes its end or is killed.
    parent = parent_process()
    wait([lifeline] if parent is None else [lifeline, parent.sentinel])
    os._exit(1)
