"""One callable for every engine that hands out batches of columns: texts in, three columns of verdicts out."""

import os
from typing import Any

import numpy as np

from spam_edge.bundle import Bundle
from spam_edge.classifier import SpamClassifier
from spam_edge.errors import BundleIntegrityError, InputError
from spam_edge.integrations.tables import Verdicts, column_names, texts_of, with_columns
from spam_edge.session import RuntimeOptions
from spam_edge.shared import shared_classifier

COLUMNS = ("label", "spam_score", "truncated")
"""Columns that are added, of strings, 32-bit floats and booleans; a null text has null in all of them."""


class ColumnClassifier:
    """A bundle, ready to classify batches of columns in whatever process it is sent to.

    It holds no session and is pickled as it is: path, digest, options and the names of columns. The model is opened on
    first use, once per process, however many of these there are and however many threads use them.

    A batch is a mapping of column names to lists or arrays, a pandas or polars DataFrame, or a pyarrow Table or
    RecordBatch. What comes back is of the same kind, with the columns of the batch and three more; see ``COLUMNS``. A
    null is None, NaN or pandas' NA. It comes out as what is null in the kind of the batch; in NumPy arrays as None and,
    among the scores, NaN.
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str] | None = None,
        *,
        text_column: str = "text",
        prefix: str = "",
        options: RuntimeOptions | None = None,
        digest: str | None = None,
    ) -> None:
        """Find a bundle, without opening a session.

        Args:
            bundle: its path, which has to be the same wherever the work is done; by default that of
                :meth:`SpamClassifier.load`.
            text_column: the column with the messages.
            prefix: put before the names of the three columns that are added.
            options: how the bundle is run; by default as :meth:`default_options` says.
            digest: sha256 of its manifest; another bundle is refused. By default the one that is there now.

        Raises:
            BundleNotFoundError: there is no bundle.
            ManifestError: its manifest cannot be used.
            BundleIntegrityError: it is not the one of this digest.
        """
        found = Bundle.find(bundle)
        if digest not in (None, found.digest):
            raise BundleIntegrityError(f"{found.path} does not hold the model {digest}; copy that one to this machine")
        self.text_column = text_column
        self.prefix = prefix
        self.options = options or self.default_options()
        self.path = found.path
        self.digest = found.digest

    @staticmethod
    def default_options() -> RuntimeOptions:
        """Return how a bundle is run where nobody says."""
        return RuntimeOptions()

    @property
    def added(self) -> tuple[str, str, str]:
        """Names of the columns that are added, in the order of ``COLUMNS``."""
        label, score, truncated = (self.prefix + name for name in COLUMNS)
        return label, score, truncated

    @property
    def classifier(self) -> SpamClassifier:
        """The classifier of this process; it is opened by whoever asks first.

        Raises:
            BundleIntegrityError: the bundle was changed since this object was made.
            ProviderUnavailableError: onnxruntime or the device asked for is not usable.
        """
        return shared_classifier(self.path, self.options, self.digest)

    def verdicts(self, texts: Any) -> Verdicts:
        """Classify one column: a list, an array or a Series of any of these libraries.

        Raises:
            InputError: an element is neither null nor a string of valid Unicode.
        """
        values = texts_of(texts)
        null = np.array([value is None for value in values], dtype=bool)
        try:  # a null is run as an empty text, once, so that an error counts the rows of the batch
            predictions = self.classifier.classify_batch(["" if value is None else value for value in values])
        except InputError as error:
            raise InputError(f"column {self.text_column!r}: {error}") from error
        return Verdicts.of(predictions, null)

    def __call__(self, batch: Any) -> Any:
        """Return the batch with three more columns.

        Raises:
            InputError: it is no batch of columns, has no column of texts or already has one that is to be added, or a
                text is neither null nor a string of valid Unicode.
        """
        self.check(column_names(batch))
        return with_columns(batch, self.added, self.verdicts(batch[self.text_column]))

    def check(self, names: list[str]) -> None:
        """See whether a batch with columns of these names can be classified.

        Raises:
            InputError: there is no column of texts, or already one that is to be added.
        """
        if self.text_column not in names:
            known = ", ".join(map(str, names))
            raise InputError(f"there is no column {self.text_column!r}; text_column takes one of: {known}")
        taken = [name for name in self.added if name in names]
        if taken:
            raise InputError(f"the batch has a column {taken[0]!r} already; set prefix to keep both")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, text_column={self.text_column!r}, prefix={self.prefix!r})"
