"""Spark: a function of a column, and a callable for ``mapInPandas`` and ``mapInArrow``.

Nothing is broadcast: a Python worker opens the bundle from its path, once, however many tasks it is given.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.integrations import engine
from spam_edge.integrations.columns import COLUMNS, ColumnClassifier
from spam_edge.session import RuntimeOptions

BATCH_SIZE = 1024


def classify_udf(
    bundle: str | os.PathLike[str] | None = None,
    *,
    options: RuntimeOptions | None = None,
    batch_size: int = BATCH_SIZE,
) -> Any:
    """Return a function of a column of texts, made with ``predict_batch_udf``.

    Args:
        bundle: path of the bundle, the same on every executor.
        options: how it is run; by default on one thread in each Python worker.
        batch_size: texts that are taken together at most.

    Returns:
        A function of a Column, or of its name, to a struct of ``label``, ``spam_score`` and ``truncated``, which are
        null where the text is.

    Raises:
        ImportError: Spark, or what its Python functions need, is not installed.
        SpamEdgeError: there is no usable bundle.
    """
    functions, types = engine("pyspark.ml.functions", extra="spark"), engine("pyspark.sql.types", extra="spark")
    predictor = partial(_predictor, SparkClassifier(bundle, options=options))
    # predict_batch_udf knows no booleans, and of numbers NaN alone becomes null
    numbers = _verdict_type(truncated=types.FloatType())
    function = functions.predict_batch_udf(predictor, return_type=numbers, batch_size=batch_size)
    verdict = _verdict_type()
    return lambda column: function(column).cast(verdict)


class SparkClassifier(ColumnClassifier):
    """A callable for ``DataFrame.mapInPandas`` and, with less copying, ``DataFrame.mapInArrow``.

    All columns are kept, and three are added::

        classify = SparkClassifier("/models/spam")
        frame.mapInArrow(classify, classify.schema(frame.schema))
    """

    @staticmethod
    def default_options() -> RuntimeOptions:
        """Return one thread: there is a worker process for each core."""
        return RuntimeOptions(threads=1)

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        """Classify DataFrames or RecordBatches one after the other; see :class:`ColumnClassifier`."""
        return map(super().__call__, batch)

    def schema(self, schema: Any) -> Any:
        """Return a ``StructType`` with the columns that are added.

        Raises:
            ImportError: Spark is not installed.
            InputError: there is no column of texts, or already one that is to be added.
        """
        types = engine("pyspark.sql.types", extra="spark")
        self.check(schema.names)
        fields = zip(self.added, _verdict_type().fields, strict=True)
        return types.StructType([*schema.fields, *(types.StructField(name, field.dataType) for name, field in fields)])


def _verdict_type(truncated: Any = None) -> Any:
    types = engine("pyspark.sql.types", extra="spark")
    kinds = (types.StringType(), types.FloatType(), truncated or types.BooleanType())
    return types.StructType([types.StructField(*field) for field in zip(COLUMNS, kinds, strict=True)])


def _predictor(classifier: ColumnClassifier) -> Callable[[NDArray[Any]], dict[str, NDArray[Any]]]:
    """Spark calls this in each of its Python workers."""

    def predict(texts: NDArray[Any]) -> dict[str, NDArray[Any]]:
        verdicts = classifier.verdicts(texts)
        label, score, _ = verdicts.arrays()
        truncated = np.where(verdicts.null, np.float32("nan"), verdicts.truncated.astype(np.float32))
        return dict(zip(COLUMNS, (label, score, truncated), strict=True))

    return predict
