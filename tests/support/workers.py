"""Models and classifiers that tests send to workers. A worker that imports this module counts opened models."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from spam_edge.batch import Model
from spam_edge.classifier import SpamClassifier, shared_classifier
from spam_edge.integrations.ray import RayClassifier
from spam_edge.integrations.spark import SparkClassifier
from tests.support.loads import LOADS, count

if LOADS in os.environ:
    # Only in workers: the test process imports this module before the variable is set.
    count(pytest.MonkeyPatch())


def die_once(marker: Path) -> None:
    """Kill this process with SIGKILL, like the OOM killer, unless ``marker`` exists; create ``marker``."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


class CountedRay(RayClassifier):
    """The Ray classifier in a process that counts opened models."""


class MortalRay(RayClassifier):
    """Dies at the third batch, once across all actors."""

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
    """The Spark classifier in a process that counts opened models."""


class MortalSpark(SparkClassifier):
    """Dies after the third batch, once across all workers."""

    def __init__(self, *, marker: Path, **options: Any) -> None:
        super().__init__(**options)
        self.marker = marker

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        for number, classified in enumerate(super().__call__(batch)):
            if number == 2:
                die_once(self.marker)
            yield classified


class CountedModel(Model):
    """The model in a process that counts opened models."""


@dataclass(frozen=True, slots=True)
class MortalModel(Model):
    """Kills every process that opens it once ``marker`` exists."""

    marker: Path = Path()

    def open(self) -> SpamClassifier:
        if self.marker.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return shared_classifier(self.path, self.options, self.digest)


class StrangeModel(Model):
    """Requires a module that the worker does not have."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (import_module, ("installed_nowhere",))


def import_in_worker() -> None:
    """Import this module for its side effect, where nothing else would."""
