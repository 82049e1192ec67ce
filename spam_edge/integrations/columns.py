"""A callable for batches of columns: it adds three verdict columns."""

import os
from typing import Any

import numpy as np

from spam_edge.bundle.locate import Bundle
from spam_edge.classifier import SpamClassifier, shared_classifier
from spam_edge.errors import InputError
from spam_edge.integrations.tables import VerdictColumns, column_names, texts_of, with_columns
from spam_edge.options import RuntimeOptions

COLUMNS = ("label", "spam_score", "truncated")
"""Added columns, of type string, float32 and boolean; all are null for a null text."""


class ColumnClassifier:
    """Classifies batches of columns, in any process it is pickled to.

    The pickle holds path, digest, options and column names, but no session. The model is opened on first use, once
    per process, and shared by all instances and threads.

    A batch is a mapping of column names to lists or arrays, a pandas or polars DataFrame, or a pyarrow Table or
    RecordBatch. The result is of the same kind, with the columns of the batch and those of ``COLUMNS``. None, NaN and
    pandas' NA are read as null. Null results are the null of the batch's kind; in NumPy arrays None, and NaN for
    scores.
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
        """Locate a bundle, without opening a session.

        Args:
            bundle: path of the bundle, the same on every machine; by default that of :meth:`SpamClassifier.load`.
            text_column: column of the messages.
            prefix: prefix of the names of the three added columns.
            options: runtime options; by default :meth:`default_options`.
            digest: required sha256 of the manifest; by default that of the bundle found.

        Raises:
            BundleNotFoundError: there is no bundle.
            ManifestError: the manifest is invalid.
            BundleIntegrityError: the bundle has another digest.
        """
        self.options = options or self.default_options()
        found = Bundle.find(bundle, digest=digest)
        found.require_digest(self.options.digest)
        self.text_column = text_column
        self.prefix = prefix
        self.path = found.path
        self.digest = found.digest

    @staticmethod
    def default_options() -> RuntimeOptions:
        """Return the default runtime options."""
        return RuntimeOptions()

    @property
    def added(self) -> tuple[str, str, str]:
        """Names of the added columns, in the order of ``COLUMNS``."""
        label, score, truncated = (self.prefix + name for name in COLUMNS)
        return label, score, truncated

    @property
    def classifier(self) -> SpamClassifier:
        """The classifier shared by this process, opened on first access.

        Raises:
            BundleIntegrityError: the bundle changed after this object was created.
            ProviderUnavailableError: onnxruntime or the requested device is not usable.
        """
        return shared_classifier(self.path, self.options, self.digest)

    def verdicts(self, texts: Any) -> VerdictColumns:
        """Classify one column: a list, an array or a Series of a supported library.

        Raises:
            InputError: it is no column, or an element is neither null nor a valid Unicode string.
        """
        try:
            values = texts_of(texts)
        except InputError as error:
            raise InputError(f"column {self.text_column!r}: {error}") from error
        null = np.array([value is None for value in values], dtype=bool)
        try:  # nulls run as empty text, so that errors name the row of the batch
            predictions = self.classifier.classify_batch(["" if value is None else value for value in values])
        except InputError as error:
            raise InputError(f"column {self.text_column!r}: {error}") from error
        return VerdictColumns.of(predictions, null)

    def __call__(self, batch: Any) -> Any:
        """Return the batch with three added columns.

        Raises:
            InputError: the batch is of no supported kind, its columns fail :meth:`check`, or a text is neither null
                nor a valid Unicode string.
        """
        self.check(column_names(batch))
        return with_columns(batch, self.added, self.verdicts(batch[self.text_column]))

    def check(self, names: list[str]) -> None:
        """Check the column names of a batch.

        Raises:
            InputError: the text column is missing or there is more than one, or an added column already exists.
        """
        if self.text_column not in names:
            known = ", ".join(map(str, names))
            raise InputError(f"there is no column {self.text_column!r}; text_column takes one of: {known}")
        if names.count(self.text_column) > 1:
            raise InputError(f"there is more than one column {self.text_column!r}; rename all but one")
        taken = [name for name in self.added if name in names]
        if taken:
            raise InputError(f"the batch already has a column {taken[0]!r}; set prefix to keep both")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, text_column={self.text_column!r}, prefix={self.prefix!r})"
