"""Messages to verdicts: tokenise, batch, run, calibrate, compare with the threshold."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.batching import distinct_rows, pad_rows, plan_batches
from spam_edge.bundle import TOKENIZER_NAME, Bundle
from spam_edge.errors import InputError
from spam_edge.exact import ExactSession, open_exact_session
from spam_edge.forks import lock_across_forks
from spam_edge.manifest import Manifest
from spam_edge.operating_points import OperatingPoint
from spam_edge.scores import probabilities
from spam_edge.session import RuntimeOptions, Session, open_session
from spam_edge.tokenization import TextEncoder
from spam_edge.views import EncodedViews, ViewEncoder

if TYPE_CHECKING:
    from spam_edge.explain import Explanation

WINDOW = 1024
"""Messages of a stream that are sorted by length together: how far a verdict may lag behind its message."""

_REOPENING = lock_across_forks()


@dataclass(frozen=True, slots=True)
class Prediction:
    """The verdict on one message.

    Attributes:
        label: name of the class, or ``UNSURE`` where the options allow that.
        score: calibrated probability of the positive class, 0 to 1.
        truncated: the message was longer than the model reads, so only its beginning counted.
        disguised: characters were folded that ordinary text does not have, such as letters of another script inside an
            English word, or the message is called positive only as a guess at words that were torn apart or misspelt
            reads it.
    """

    label: str
    score: float
    truncated: bool
    disguised: bool = False


class SpamClassifier:
    """A bundle, ready to classify. Make one with :meth:`load`.

    One instance may be used from several threads. It opens a session of its own in a forked process. It can be pickled;
    in another process, all that is pickled of one model becomes one instance, which stays.
    """

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        """Open a bundle that was found already; :meth:`load` does both."""
        normalizer = bundle.manifest.normalizer
        if options.verify:
            bundle.verify([TOKENIZER_NAME, *([normalizer] if normalizer else [])])
        self.bundle = bundle
        self.options = options
        self.operating_point = OperatingPoint.of(bundle, options)
        encoder = TextEncoder(bundle.file(TOKENIZER_NAME), max_length=bundle.manifest.max_length)
        self._encoder = ViewEncoder(encoder, bundle.file(normalizer) if normalizer else None)
        self._session = self._open_session()
        self._process = os.getpid()
        self._abandoned: list[Session | ExactSession] = []

    @classmethod
    def load(
        cls, bundle: str | os.PathLike[str] | None = None, options: RuntimeOptions | None = None
    ) -> "SpamClassifier":
        """Open the bundle at a path, else at ``$SPAM_EDGE_MODEL``, else at ``./artifacts/bundle``.

        The files that are used are compared with the hashes in the manifest first, unless ``options`` say no.

        Raises:
            BundleNotFoundError: there is no bundle.
            ManifestError: its manifest cannot be used.
            BundleIntegrityError: one of its files is missing or was changed.
            OperatingPointError: the bundle does not have the mode, or cannot keep to the rate.
            ProviderUnavailableError: onnxruntime or the device asked for is not usable.
        """
        return cls(Bundle.find(bundle), options or RuntimeOptions())

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self.bundle.manifest

    @property
    def threshold(self) -> float:
        """Lowest score that is given the positive label."""
        return self.operating_point.threshold

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels a verdict may have: the negative one, the positive one, and ``UNSURE`` where that may occur."""
        return self.operating_point.labels

    @property
    def variant(self) -> str:
        """Name of the ONNX file in use: ``fused``, ``int8``, ``fp16`` or ``fp32``."""
        return self._session.variant

    @property
    def file(self) -> str:
        """Path of that file inside the bundle."""
        return self._session.file

    @property
    def provider(self) -> str:
        """The onnxruntime execution provider in use."""
        return self._session.provider

    @property
    def threads(self) -> int:
        """Inferences that run side by side."""
        return self._session.threads

    @property
    def rescored(self) -> int:
        """Messages that were run again in fp32 so far, in this process; 0 unless the options say ``exact``.

        Like everything that is run, repeats within one call, or one window of a stream, are run and counted once.
        """
        return self._session.rescored if isinstance(self._session, ExactSession) else 0

    def classify(self, text: str) -> Prediction:
        """Classify one message.

        Raises:
            InputError: the message is no string or no valid Unicode.
        """
        if not isinstance(text, str):
            raise InputError(f"one message (str) is expected, not {type(text).__name__}; use classify_batch() for many")
        return self.classify_batch([text])[0]

    def classify_batch(self, texts: Sequence[str]) -> list[Prediction]:
        """Classify messages; the verdicts come in the order of the messages. Repeats are run once.

        Raises:
            InputError: an element is no string or no valid Unicode.
        """
        views, logits = self._run(texts)
        scores = self._probabilities(logits)
        best = self._choose(views, logits).tolist()
        return [self._verdict(scores, views, index, chosen) for index, chosen in enumerate(best)]

    def classify_stream(self, texts: Iterable[str], *, window: int = WINDOW) -> Iterator[Prediction]:
        """Classify messages as they come, in their order, in bounded memory.

        Args:
            texts: any iterable of messages; it is read at most ``window`` messages ahead.
            window: messages that are taken together; more of them batch better and lag further behind.

        Raises:
            ValueError: ``window`` is less than 1.
            InputError: ``texts`` is one string; later, an element is no string or no valid Unicode.
        """
        if window < 1:
            raise ValueError(f"window must be at least 1, not {window}")
        if isinstance(texts, str):
            raise InputError("an iterable of messages is expected, not one string; use classify() for one message")
        return self._stream(iter(texts), window)

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the calibrated probability of the positive class, shape (messages,).

        Raises:
            InputError: an element is no string or no valid Unicode.
        """
        return self._probabilities(self.logits(texts))

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return what the model says before calibration, shape (messages, labels), in the order of the labels.

        Raises:
            InputError: an element is no string or no valid Unicode.
        """
        views, logits = self._run(texts)
        best: NDArray[np.float32] = logits[self._choose(views, logits)]
        return best

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids the model sees of the first view of each message, special tokens included.

        Raises:
            InputError: an element is no string or no valid Unicode.
        """
        return [row.ids for row in self._encoder.encode(texts).first_rows]

    def explain(self, text: str) -> "Explanation":
        """Say how far each word of a message moves the verdict; see :mod:`spam_edge.explain`.

        Raises:
            InputError: the message is no string or no valid Unicode.
        """
        from spam_edge.explain import explain  # noqa: PLC0415 - classifying does not need it

        return explain(self, text)

    def describe(self) -> dict[str, Any]:
        """Return what runs here and where: the content of ``spam-edge info``."""
        from spam_edge.description import describe  # noqa: PLC0415 - classifying does not need it

        return describe(self)

    def __repr__(self) -> str:
        return f"SpamClassifier({str(self.bundle.path)!r}, variant={self.variant!r}, provider={self.provider!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        from spam_edge.shared import shared_classifier  # noqa: PLC0415 - which imports this module

        # A session cannot be pickled. The digest makes sure that the other process opens the same model.
        return shared_classifier, (self.bundle.path, self.options, self.bundle.digest)

    def _stream(self, texts: Iterator[str], window: int) -> Iterator[Prediction]:
        # Tokenising is so small a part of the work that a thread which does it ahead wins nothing that can be measured.
        while batch := list(islice(texts, window)):
            yield from self.classify_batch(batch)

    def _run(self, texts: Sequence[str]) -> tuple[EncodedViews, NDArray[np.float32]]:
        """Return the views of messages, and the logits of each view, shape (views, labels)."""
        views = self._encoder.encode(texts)
        # A score does not depend on what else is in the batch, so what is repeated needs to run only once.
        distinct, which = distinct_rows(row.ids for row in views.rows)
        pad_token_id = self.manifest.pad_token_id
        plan = list(plan_batches([len(ids) for ids in distinct], token_budget=self._session.token_budget))
        batches = [pad_rows([distinct[index] for index in batch], pad_token_id=pad_token_id) for batch in plan]
        logits = np.empty((len(distinct), len(self.manifest.labels)), dtype=np.float32)
        for batch, result in zip(plan, self._session_of_this_process().run_all(batches), strict=True):
            logits[batch] = result
        return views, logits[which]

    def _choose(self, views: EncodedViews, logits: NDArray[np.float32]) -> NDArray[np.intp]:
        positive = self.manifest.positive_index
        return views.choose(logits[:, positive] - logits[:, 1 - positive])

    def _probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        return probabilities(logits, temperature=self.manifest.temperature, positive_index=self.manifest.positive_index)

    def _verdict(self, scores: NDArray[np.float32], views: EncodedViews, index: int, chosen: int) -> Prediction:
        score = float(scores[chosen])
        turned = float(scores[index]) < self.threshold <= score
        return Prediction(
            self.operating_point.label(score), score, views.rows[index].truncated, views.disguised[index] or turned
        )

    def _open_session(self) -> Session | ExactSession:
        if not self.options.exact:
            return open_session(self.bundle, self.options)
        return open_exact_session(self.bundle, self.options, self.operating_point.boundaries)

    def _session_of_this_process(self) -> Session | ExactSession:
        if self._process != os.getpid():
            with _REOPENING:
                if self._process != os.getpid():  # no other thread did it meanwhile
                    # The threads of the session stayed in the parent. Running it would wait for them for ever, and
                    # so would destroying it: it is kept, unused.
                    self._abandoned.append(self._session)
                    self._session = self._open_session()
                    self._process = os.getpid()
        return self._session
