"""The classifier: normalise, tokenise, batch, run, calibrate, apply the threshold."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.locate import TOKENIZER_NAME, Bundle
from spam_edge.bundle.manifest import Manifest
from spam_edge.decision.calibration import Calibration
from spam_edge.decision.operating_points import OperatingPoint
from spam_edge.errors import BundleIntegrityError, InputError, OptionError
from spam_edge.options import RuntimeOptions
from spam_edge.prediction import Prediction
from spam_edge.resources import available_threads
from spam_edge.runtime.batching import plan_batches
from spam_edge.runtime.forks import lock_across_forks
from spam_edge.runtime.providers import CUDA
from spam_edge.runtime.rescoring import ExactSession, open_exact_session
from spam_edge.runtime.session import Session, begin_to_read, open_session
from spam_edge.text.normalization import Normalizer
from spam_edge.text.tokenization import TextEncoder, checked_texts, refuse_containers
from spam_edge.text.variants import EncodedVariants, VariantEncoder

if TYPE_CHECKING:
    from spam_edge.diagnostics.explain import Explanation

WINDOW = 1024
"""Default number of stream messages that are batched together; verdicts lag behind the input by at most this."""

_PIECE = 8192
"""Number of messages that CUDA runs at once, while the next ones are encoded."""
_REOPENING = lock_across_forks()
_OPENING = lock_across_forks()
_OPENED: "dict[tuple[str, RuntimeOptions], SpamClassifier]" = {}


class SpamClassifier:
    """A spam classifier with an open bundle; create it with :meth:`load`.

    Instances are thread-safe and fork-safe: a forked process opens its own session. They can be pickled. A process
    that unpickles several copies of one model with equal options opens it once and keeps it open.
    """

    def __init__(self, bundle: Bundle, options: RuntimeOptions) -> None:
        """Open a located bundle; :meth:`load` also locates it."""
        bundle.require_digest(options.digest)
        self.bundle = bundle
        self.options = options
        self.operating_point = OperatingPoint.of(bundle, options)
        self._contents = begin_to_read(bundle, options)
        self._encoder = self._open_encoder()
        self._calibration = Calibration.of(bundle.manifest)
        self._session = self._open_session()
        self._process = os.getpid()
        self._abandoned: list[Session | ExactSession] = []

    @classmethod
    def load(
        cls, bundle: str | os.PathLike[str] | None = None, options: RuntimeOptions | None = None
    ) -> "SpamClassifier":
        """Open the bundle at a path, else at ``$SPAM_EDGE_MODEL``, else at ``./artifacts/bundle``.

        Every file in use is verified against its checksum first, unless ``options.verify`` is false.

        Raises:
            BundleNotFoundError: the location holds no bundle.
            ManifestError: the manifest is invalid.
            BundleIntegrityError: a file is missing or was changed, the bundle has another digest than the options, or
                other users can write to the default location.
            OperatingPointError: the bundle lacks the mode or cannot show the false-positive rate.
            OptionError: ``$SPAM_EDGE_INSTRUCTION_SET`` names an instruction set that was not detected.
            ProviderUnavailableError: onnxruntime or the requested device is not usable.
        """
        options = options or RuntimeOptions()
        return cls(Bundle.find(bundle, digest=options.digest), options)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the bundle."""
        return self.bundle.manifest

    @property
    def threshold(self) -> float:
        """Lowest score with the positive label."""
        return self.operating_point.threshold

    @property
    def labels(self) -> tuple[str, ...]:
        """Possible labels: negative, positive and, with the option ``unsure``, ``UNSURE``."""
        return self.operating_point.labels

    @property
    def variant(self) -> str:
        """Name of the ONNX file in use: ``fused``, ``int8``, ``fp16`` or ``fp32``."""
        return self._session.variant

    @property
    def file(self) -> str:
        """Path of the ONNX file in use, relative to the bundle."""
        return self._session.file

    @property
    def provider(self) -> str:
        """The onnxruntime execution provider in use."""
        return self._session.provider

    @property
    def instructions(self) -> str | None:
        """The instruction set of the fused operator, such as ``avx2``; None for other variants."""
        return self._session.instructions

    @property
    def threads(self) -> int:
        """Number of concurrent inferences."""
        return self._session.threads

    @property
    def rescored(self) -> int:
        """Messages rescored in fp32 so far in this process; 0 without the option ``exact``.

        Repeats within one call, or one window of a stream, run once and count once.
        """
        return self._session.rescored if isinstance(self._session, ExactSession) else 0

    def classify(self, text: str) -> Prediction:
        """Classify one message.

        Raises:
            InputError: the message is not a string or not valid Unicode.
        """
        if not isinstance(text, str):
            raise InputError(f"expected one message (str), not {type(text).__name__}; use classify_batch() for several")
        return self.classify_batch([text])[0]

    def classify_batch(self, texts: Sequence[str]) -> list[Prediction]:
        """Classify messages and return one prediction each, in input order. Repeats run once.

        Raises:
            InputError: an element is not a string or not valid Unicode.
        """
        return [prediction for variants in self._encode(texts) for prediction in self._predict(variants)]

    def classify_stream(self, texts: Iterable[str], *, window: int = WINDOW) -> Iterator[Prediction]:
        """Classify a stream of messages lazily, in input order and in bounded memory.

        Args:
            texts: any iterable of messages; at most ``window`` of them are read ahead, on CUDA twice as many.
            window: messages that are batched together; a larger window is faster and has a higher latency.

        Raises:
            OptionError: ``window`` is less than 1.
            InputError: ``texts`` is a single string; during iteration, an element is not a string or not valid
                Unicode.
        """
        if not isinstance(window, int) or not 1 <= window <= sys.maxsize:
            raise OptionError(f"window must be an integer of at least 1, not {window!r}")
        refuse_containers(texts)
        if not isinstance(texts, Iterable):
            raise InputError(f"expected an iterable of messages, not {type(texts).__name__}")
        return self._stream(iter(texts), window)

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the calibrated probability of the positive class, shape (messages,).

        Raises:
            InputError: an element is not a string or not valid Unicode.
        """
        return self._calibration.scores(self.logits(texts))

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the uncalibrated logits, shape (messages, labels), columns as in ``manifest.labels``.

        Raises:
            InputError: an element is not a string or not valid Unicode.
        """
        best: list[NDArray[np.float32]] = []
        for variants in self._encode(texts):
            logits = self._run(variants)
            best.append(logits[self._choose(variants, logits)])
        return np.concatenate(best)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of the first text variant of each message, [CLS] and [SEP] included.

        Raises:
            InputError: an element is not a string or not valid Unicode.
        """
        return self._encoder.encode(texts).first_rows.to_lists()

    def explain(self, text: str) -> "Explanation":
        """Return the influence of each word on the score; see :mod:`spam_edge.diagnostics.explain`.

        Raises:
            InputError: the message is not a string or not valid Unicode.
        """
        from spam_edge.diagnostics.explain import explain  # noqa: PLC0415 - not needed to classify

        return explain(self, text)

    def describe(self) -> dict[str, Any]:
        """Return the model, its settings and the library versions, as shown by ``spam-edge info``."""
        from spam_edge.diagnostics.describe import describe  # noqa: PLC0415 - not needed to classify

        return describe(self)

    def __repr__(self) -> str:
        return f"SpamClassifier({str(self.bundle.path)!r}, variant={self.variant!r}, provider={self.provider!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # A session cannot be pickled. The digest ensures that the other process opens the same model.
        return shared_classifier, (self.bundle.path, self.options, self.bundle.digest)

    def _stream(self, texts: Iterator[str], window: int) -> Iterator[Prediction]:
        windows = iter(lambda: list(islice(texts, window)), [])
        for variants in self._encode_each(windows):
            yield from self._predict(variants)

    def _encode(self, texts: Sequence[str]) -> Iterator[EncodedVariants]:
        """Yield the text variants of all messages: at once, or for CUDA in pieces, so that it need not wait for all.

        Equal messages run once in each piece. With the option ``exact``, which counts what it rescores, there is one.
        """
        if self.provider != CUDA or self.options.exact or len(texts) <= _PIECE:
            yield self._encoder.encode(texts)
            return
        texts = checked_texts(texts)
        yield from self._encode_each(texts[at : at + _PIECE] for at in range(0, len(texts), _PIECE))

    def _encode_each(self, pieces: Iterable[Sequence[str]]) -> Iterator[EncodedVariants]:
        """Return the text variants of each piece, lazily; on CUDA, the next piece is encoded while the model runs.

        On the CPU this gives no measurable speed-up: encoding is a small part of the work.
        """
        if self.provider != CUDA:
            return map(self._encoder.encode, pieces)
        from spam_edge.runtime.ahead import one_ahead  # noqa: PLC0415 - imports concurrent.futures

        return one_ahead(self._encoder.encode, pieces)

    def _predict(self, variants: EncodedVariants) -> list[Prediction]:
        """Return the predictions for messages."""
        logits = self._run(variants)
        scores = self._calibration.scores(logits)
        best = scores[self._choose(variants, logits)]
        columns = (best, scores[: len(best)], variants.first_rows.truncated, variants.disguised)
        return list(map(self._verdict, *(column.tolist() for column in columns)))

    def _run(self, variants: EncodedVariants) -> NDArray[np.float32]:
        """Return the logits of all rows, shape (rows, labels)."""
        # Scores are independent of the batch, so equal rows run once.
        rows, which = variants.rows.distinct()
        pad_token_id = self.manifest.pad_token_id
        plan = list(plan_batches(rows.lengths, token_budget=self._session.token_budget))
        batches = [rows.pad(batch, pad_token_id=pad_token_id) for batch in plan]
        logits = np.empty((len(rows), len(self.manifest.labels)), dtype=np.float32)
        for batch, result in zip(plan, self._session_of_this_process().run_all(batches), strict=True):
            logits[batch] = result
        every: NDArray[np.float32] = logits[which]
        return every

    def _choose(self, variants: EncodedVariants, logits: NDArray[np.float32]) -> NDArray[np.intp]:
        return variants.choose(self._calibration.margins(logits))

    def _verdict(self, score: float, first_score: float, truncated: bool, disguised: bool) -> Prediction:
        """Return the prediction for a message with the score of its best variant and that of its first."""
        turned = first_score < self.threshold <= score
        return Prediction(self.operating_point.label(score), score, truncated, disguised or turned)

    def _open_encoder(self) -> VariantEncoder:
        manifest, verify = self.manifest, self.options.verify
        threads = self.options.threads or available_threads()
        tokenizer = self.bundle.read(TOKENIZER_NAME, verify=verify)
        encoder = TextEncoder(tokenizer, self.bundle.file(TOKENIZER_NAME), max_length=manifest.max_length)
        if manifest.normalizer is None:
            return VariantEncoder(encoder, None, threads=threads)
        tables = self.bundle.read(manifest.normalizer, verify=verify)
        path = self.bundle.file(manifest.normalizer)
        return VariantEncoder(encoder, Normalizer.parse(tables, path, encoder.is_word), threads=threads)

    def _open_session(self) -> Session | ExactSession:
        if not self.options.exact:
            return open_session(self.bundle, self.options, self._contents)
        return open_exact_session(self.bundle, self.options, self.operating_point.boundaries, self._contents)

    def _session_of_this_process(self) -> Session | ExactSession:
        if self._process != os.getpid():
            with _REOPENING:
                if self._process != os.getpid():  # checked again under the lock
                    # The thread pool of the session did not survive the fork. Running or destroying the session
                    # would deadlock, so it is kept unused.
                    self._abandoned.append(self._session)
                    self._session = self._open_session()
                    self._process = os.getpid()
        return self._session


def shared_classifier(path: Path, options: RuntimeOptions, digest: str) -> SpamClassifier:
    """Return the process-wide classifier of a bundle; the first call opens it and it stays open.

    Raises:
        BundleIntegrityError: the bundle at ``path`` no longer has this digest.
        SpamEdgeError: see :meth:`SpamClassifier.load`.
    """
    key = (digest, options)
    with _OPENING:
        if key not in _OPENED:
            _OPENED[key] = SpamClassifier(_unchanged(path, digest), options)
        return _OPENED[key]


def _unchanged(path: Path, digest: str) -> Bundle:
    bundle = Bundle.find(path)
    if bundle.digest != digest:
        raise BundleIntegrityError(f"{path} no longer holds the model that this job started with; start the job again")
    return bundle
