"""What the tests send to workers. Importing this counts, in that process, each time a model is opened."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from spam_edge.batch import Model
from spam_edge.classifier import SpamClassifier
from spam_edge.exact import ExactSession
from spam_edge.integrations.ray import RayClassifier
from spam_edge.integrations.spark import SparkClassifier
from spam_edge.session import Session
from spam_edge.shared import shared_classifier

LOADS = "SPAM_EDGE_TESTS_LOADS"
"""Environment variable with the folder in which each process has a file, a byte long for each model it opened."""

_open_session = SpamClassifier._open_session


def _open_session_and_count(classifier: SpamClassifier) -> Session | ExactSession:
    if LOADS in os.environ:
        with (Path(os.environ[LOADS]) / str(os.getpid())).open("ab") as file:
            file.write(b".")
    return _open_session(classifier)


SpamClassifier._open_session = _open_session_and_count  # type: ignore[method-assign]


def loads(folder: Path) -> dict[int, int]:
    """Map process -> models it opened, and forget them."""
    found = {int(file.name): file.stat().st_size for file in folder.iterdir()}
    for file in folder.iterdir():
        file.unlink()
    return found


def die_once(marker: Path) -> None:
    """Kill this process as the system does where memory runs out, if nobody did so before."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


class CountedRay(RayClassifier):
    """As it is, in a process that counts."""


class MortalRay(RayClassifier):
    """Dies at its third batch, once among all actors."""

    def __init__(self, *, marker: Path, **options: Any) -> None:
        super().__init__(**options)
        self.marker = marker
        self.batches = 0

    def __call__(self, batch: Any) -> Any:
        self.batches += 1
        if self.batches == 3:
            die_once(self.marker)
        return super().__call__(batch)


class CountedSpark(SparkClassifier):
    """As it is, in a process that counts."""


class MortalSpark(SparkClassifier):
    """Dies after its third batch, once among all workers."""

    def __init__(self, *, marker: Path, **options: Any) -> None:
        super().__init__(**options)
        self.marker = marker

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        for number, classified in enumerate(super().__call__(batch)):
            if number == 2:
                die_once(self.marker)
            yield classified


class CountedModel(Model):
    """As it is, in a process that counts."""


@dataclass(frozen=True, slots=True)
class MortalModel(Model):
    """Kills every process that opens it, from when a file is there."""

    marker: Path = Path()

    def open(self) -> SpamClassifier:
        if self.marker.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return shared_classifier(self.path, self.options, self.digest)


class StrangeModel(Model):
    """Needs what its worker has not."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (import_module, ("installed_nowhere",))


def settle() -> None:
    """Count in this process; to be called where nothing else would import this module."""
