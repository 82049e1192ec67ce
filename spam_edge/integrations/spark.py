"""Spark: a column function, and a callable for ``mapInPandas`` and ``mapInArrow``.

Nothing is broadcast. Each Python worker opens the bundle from its path once, for all its tasks.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.extras import import_extra
from spam_edge.integrations.columns import COLUMNS, ColumnClassifier
from spam_edge.options import RuntimeOptions

BATCH_SIZE = 1024


def classify_udf(
    bundle: str | os.PathLike[str] | None = None,
    *,
    options: RuntimeOptions | None = None,
    batch_size: int = BATCH_SIZE,
) -> Any:
    """Return a column function built with ``predict_batch_udf``.

    Args:
        bundle: path of the bundle, the same on every executor.
        options: runtime options; by default one thread per Python worker.
        batch_size: maximum number of texts per batch.

    Returns:
        A function of a Column or column name. It returns a struct of ``label``, ``spam_score`` and ``truncated``,
        which are null if the text is.

    Raises:
        ExtraError: Spark or a dependency of its Python functions is not installed.
        SpamEdgeError: the bundle is missing or invalid.
    """
    functions, types = (
        import_extra("pyspark.ml.functions", extra="spark"),
        import_extra("pyspark.sql.types", extra="spark"),
    )
    predictor = partial(_predictor, SparkClassifier(bundle, options=options))
    # predict_batch_udf does not support booleans, and maps only NaN to null.
    numbers = _verdict_type(truncated=types.FloatType())
    function = functions.predict_batch_udf(predictor, return_type=numbers, batch_size=batch_size)
    verdict = _verdict_type()
    return lambda column: function(column).cast(verdict)


class SparkClassifier(ColumnClassifier):
    """A callable for ``DataFrame.mapInPandas`` and ``DataFrame.mapInArrow``, which copies less.

    It keeps all columns and adds three::

        classify = SparkClassifier("/models/spam")
        frame.mapInArrow(classify, classify.schema(frame.schema))
    """

    @staticmethod
    def default_options() -> RuntimeOptions:
        """Return one thread, because each core has its own worker process."""
        return RuntimeOptions(threads=1)

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        """Classify an iterator of DataFrames or RecordBatches; see :class:`ColumnClassifier`."""
        return map(super().__call__, batch)

    def schema(self, schema: Any) -> Any:
        """Return the schema extended by the added columns, as a ``StructType``.

        Raises:
            ExtraError: Spark is not installed.
            InputError: the text column is missing, or an added column already exists.
        """
        types = import_extra("pyspark.sql.types", extra="spark")
        self.check(schema.names)
        fields = zip(self.added, _verdict_type().fields, strict=True)
        return types.StructType([*schema.fields, *(types.StructField(name, field.dataType) for name, field in fields)])


def _verdict_type(truncated: Any = None) -> Any:
    types = import_extra("pyspark.sql.types", extra="spark")
    kinds = (types.StringType(), types.FloatType(), truncated or types.BooleanType())
    return types.StructType([types.StructField(*field) for field in zip(COLUMNS, kinds, strict=True)])


def _predictor(classifier: ColumnClassifier) -> Callable[[NDArray[Any]], dict[str, NDArray[Any]]]:
    """Build the prediction function; Spark calls this once per Python worker."""

    def predict(texts: NDArray[Any]) -> dict[str, NDArray[Any]]:
        verdicts = classifier.verdicts(texts)
        label, score, _ = verdicts.arrays()
        truncated = np.where(verdicts.null, np.float32("nan"), verdicts.truncated.astype(np.float32))
        return dict(zip(COLUMNS, (label, score, truncated), strict=True))

    return predict
