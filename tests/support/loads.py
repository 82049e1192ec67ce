"""Counters of the models that each process opens, one file per process."""

import os
from pathlib import Path

import pytest

from spam_edge.classifier import SpamClassifier
from spam_edge.runtime.rescoring import ExactSession
from spam_edge.runtime.session import Session

LOADS = "SPAM_EDGE_TESTS_LOADS"
"""Environment variable with the counter directory. Each process has a file there, one byte per opened model."""


def count(patch: pytest.MonkeyPatch) -> None:
    """Count in this process and its forks until the patch is undone."""
    open_session = SpamClassifier._open_session

    def open_and_count(classifier: SpamClassifier) -> Session | ExactSession:
        with (Path(os.environ[LOADS]) / str(os.getpid())).open("ab") as file:
            file.write(b".")
        return open_session(classifier)

    patch.setattr(SpamClassifier, "_open_session", open_and_count)


def loads(folder: Path) -> dict[int, int]:
    """Return process id -> number of opened models, and reset the counters."""
    found = {int(file.name): file.stat().st_size for file in folder.iterdir()}
    for file in folder.iterdir():
        file.unlink()
    return found
