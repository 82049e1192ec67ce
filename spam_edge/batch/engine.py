"""What a job needs of whatever classifies: take a list of texts, give verdicts later."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle import Bundle
from spam_edge.classifier import SpamClassifier
from spam_edge.errors import JobError
from spam_edge.session import RuntimeOptions, settle
from spam_edge.shared import shared_classifier


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Verdicts on texts, in their order; all arrays have the shape (texts,).

    Attributes:
        score: calibrated probability of the positive class.
        label: index of the label in :attr:`SpamClassifier.labels`.
        truncated: whether the text was longer than the model reads.
    """

    score: NDArray[np.float32]
    label: NDArray[np.uint8]
    truncated: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Model:
    """How every worker opens the one model of a job, so that neither models nor files with other rounding are mixed.

    Attributes:
        path: of the bundle.
        options: without ``auto``, which need not come to the same on each machine.
        digest: of the bundle.
        file: the ONNX file that runs.
    """

    path: Path
    options: RuntimeOptions
    digest: str
    file: str

    @classmethod
    def of(cls, bundle: Bundle, options: RuntimeOptions) -> Self:
        """Describe a bundle that was found, and how it runs here.

        Raises:
            ProviderUnavailableError: it does not.
        """
        settled, file = settle(bundle, options)
        return cls(bundle.path, settled, bundle.digest, file)

    def open(self) -> SpamClassifier:
        """Open it, in whichever process this is.

        Raises:
            BundleIntegrityError: there is another bundle at its place now, or it is damaged.
            JobError: this is another kind of processor.
        """
        classifier = shared_classifier(self.path, self.options, self.digest)
        _, file = settle(classifier.bundle, self.options)
        if file != self.file:
            raise JobError(
                f"this job runs {self.file}, but this processor {file}, whose scores differ by rounding; "
                "take workers with processors of one kind"
            )
        return classifier


class Engine(AbstractContextManager["Engine"], Protocol):
    """Classifies texts somewhere else. Leaving its context ends all its work, at once after an exception.

    Attributes:
        name: what reports call it.
        workers: lists of texts that are classified at the same time.
    """

    name: str
    workers: int

    def submit(self, texts: Sequence[str]) -> Future[Verdicts]:
        """Begin to classify texts; the future raises what the classifier raises."""


OpenEngine = Callable[[Model, int | None], Engine]
"""Makes the engine of a job, for a model and the number of workers that was asked for, if any."""


def judge(classifier: SpamClassifier, texts: Sequence[str]) -> Verdicts:
    """Classify texts as :meth:`SpamClassifier.classify_batch` does."""
    predictions = classifier.classify_batch(texts)
    index = {label: number for number, label in enumerate(classifier.labels)}
    return Verdicts(
        np.array([prediction.score for prediction in predictions], dtype=np.float32),
        np.array([index[prediction.label] for prediction in predictions], dtype=np.uint8),
        np.array([prediction.truncated for prediction in predictions], dtype=np.bool_),
    )
