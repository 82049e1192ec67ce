"""The engine interface: submit a list of texts, get a future of verdicts."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.locate import Bundle
from spam_edge.classifier import SpamClassifier, shared_classifier
from spam_edge.errors import JobError
from spam_edge.options import RuntimeOptions
from spam_edge.runtime.session import resolve_options


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Verdicts in the order of the texts; all arrays have shape (texts,).

    Attributes:
        score: calibrated probability of the positive class.
        label: index into :attr:`SpamClassifier.labels`.
        truncated: whether the text exceeded the maximum length of the model.
    """

    score: NDArray[np.float32]
    label: NDArray[np.uint8]
    truncated: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Model:
    """How every worker opens the model of a job. Workers never mix bundles or variants with different rounding.

    Attributes:
        path: path of the bundle.
        options: runtime options with ``auto`` resolved, because it may resolve differently on another machine.
        digest: digest of the bundle.
        file: name of the ONNX file to run.
    """

    path: Path
    options: RuntimeOptions
    digest: str
    file: str

    @classmethod
    def of(cls, bundle: Bundle, options: RuntimeOptions) -> Self:
        """Resolve the options of a bundle on this machine.

        Raises:
            ProviderUnavailableError: the bundle cannot run here.
        """
        settled, file = resolve_options(bundle, options)
        return cls(bundle.path, settled, bundle.digest, file)

    def open(self) -> SpamClassifier:
        """Open the model in the current process.

        Raises:
            BundleIntegrityError: the bundle was replaced or is damaged.
            JobError: this processor runs another ONNX file than the job.
        """
        classifier = shared_classifier(self.path, self.options, self.digest)
        _, file = resolve_options(classifier.bundle, self.options)
        if file != self.file:
            raise JobError(
                f"this job runs {self.file}, but this processor selects {file}, whose scores differ by rounding; "
                "use workers of one processor type"
            )
        return classifier


class Engine(AbstractContextManager["Engine"], Protocol):
    """Classifies lists of texts asynchronously. Leaving the context stops all work, at once after an exception.

    Attributes:
        name: name in reports.
        workers: number of lists classified concurrently.
    """

    name: str
    workers: int

    def submit(self, texts: Sequence[str]) -> Future[Verdicts]:
        """Submit texts; the future raises the errors of the classifier."""


OpenEngine = Callable[[Model, int | None], Engine]
"""Factory of a job's engine: takes the model and the requested number of workers, or ``None``."""


def classify_texts(classifier: SpamClassifier, texts: Sequence[str]) -> Verdicts:
    """Classify texts as :meth:`SpamClassifier.classify_batch` does."""
    predictions = classifier.classify_batch(texts)
    index = {label: number for number, label in enumerate(classifier.labels)}
    return Verdicts(
        np.array([prediction.score for prediction in predictions], dtype=np.float32),
        np.array([index[prediction.label] for prediction in predictions], dtype=np.uint8),
        np.array([prediction.truncated for prediction in predictions], dtype=np.bool_),
    )
