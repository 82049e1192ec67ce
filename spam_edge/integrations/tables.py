"""Adapters for batches: mappings of lists and arrays, pandas and polars DataFrames, pyarrow Tables.

No table library is imported here; one is used only if the caller passes its tables.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.errors import InputError
from spam_edge.prediction import Prediction

_TABLES = {"pandas": ("DataFrame",), "polars": ("DataFrame",), "pyarrow": ("Table", "RecordBatch")}


@dataclass(frozen=True, slots=True)
class VerdictColumns:
    """VerdictColumns on the texts of a column; entries of null texts are placeholders.

    Attributes:
        labels: strings, shape (rows,).
        scores: calibrated probabilities of the positive class, shape (rows,).
        truncated: whether the text exceeded the maximum length of the model, shape (rows,).
        null: whether the text is null, shape (rows,).
    """

    labels: NDArray[np.object_]
    scores: NDArray[np.float32]
    truncated: NDArray[np.bool_]
    null: NDArray[np.bool_]

    @classmethod
    def of(cls, predictions: Sequence[Prediction], null: NDArray[np.bool_]) -> "VerdictColumns":
        """Convert predictions to columns; null texts need a placeholder prediction."""
        return cls(
            np.array([prediction.label for prediction in predictions], dtype=object),
            np.array([prediction.score for prediction in predictions], dtype=np.float32),
            np.array([prediction.truncated for prediction in predictions], dtype=bool),
            null,
        )

    def lists(self) -> tuple[list[Any], list[Any], list[Any]]:
        """Return lists of ``str``, ``numpy.float32`` and ``bool``, with None for null."""
        label, score, truncated = (
            [None if null else value for value, null in zip(values, self.null, strict=True)]
            for values in (self.labels, self.scores, self.truncated.tolist())
        )
        return label, score, truncated

    def arrays(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return NumPy arrays; null is None, for scores NaN."""
        labels, truncated = self.labels.copy(), self.truncated.astype(object if self.null.any() else bool)
        labels[self.null] = None
        if self.null.any():
            truncated[self.null] = None
        return labels, np.where(self.null, np.float32("nan"), self.scores), truncated


def column_names(batch: Any) -> list[str]:
    """Return the column names of a batch.

    Raises:
        InputError: the batch is of no supported kind.
    """
    match _library_of(batch):
        case "pyarrow":
            names: list[str] = batch.schema.names
            return names
        case "":
            return list(batch)
        case _:
            return list(batch.columns)


def texts_of(column: Any) -> list[Any]:
    """Return the elements of a list, an array or a Series, with every kind of null as None.

    Raises:
        InputError: it is one text or null instead, whose letters would be taken for texts.
    """
    if isinstance(column, str | bytes | Mapping) or not hasattr(column, "__len__") or getattr(column, "ndim", 1) != 1:
        raise InputError(
            f"expected a list or column of texts, not one value ({type(column).__name__}); pass batches: "
            "map(..., batched=True) in datasets, map_batches in Ray"
        )
    for convert in ("to_pylist", "to_list", "tolist"):  # pyarrow; pandas and polars; NumPy
        if hasattr(column, convert):
            return [None if _is_null(value) else value for value in getattr(column, convert)()]
    return [None if _is_null(value) else value for value in column]


def with_columns(batch: Any, names: tuple[str, str, str], verdicts: VerdictColumns) -> Any:
    """Return the batch with three added columns; ``names`` are those of label, score and truncated."""
    match _library_of(batch):
        case "pandas":
            return _with_pandas_columns(batch, names, verdicts)
        case "polars":
            return _with_polars_columns(batch, names, verdicts)
        case "pyarrow":
            return _with_arrow_columns(batch, names, verdicts)
        case _:
            of_arrays = any(isinstance(column, np.ndarray) for column in batch.values())
            columns = verdicts.arrays() if of_arrays else verdicts.lists()
            return {**batch, **dict(zip(names, columns, strict=True))}


def _library_of(batch: Any) -> str:
    """Return the library of a table; empty for a mapping."""
    if isinstance(batch, Mapping):
        return ""
    for name, kinds in _TABLES.items():
        library = sys.modules.get(name)
        if library is not None and isinstance(batch, tuple(getattr(library, kind) for kind in kinds)):
            return name
    raise InputError(f"expected a mapping of column names to texts, a DataFrame or a Table, not {type(batch).__name__}")


def _is_null(value: object) -> bool:
    if value is None or isinstance(value, str):
        return value is None
    missing = type(value).__name__ in ("NAType", "NaTType")  # pandas' nulls; comparisons with them are not booleans
    return missing or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def _with_pandas_columns(frame: Any, names: tuple[str, str, str], verdicts: VerdictColumns) -> Any:
    pandas = sys.modules["pandas"]
    # Nullable types, so that the types do not depend on which rows of a batch are null.
    types = ("string", "Float32", "boolean")
    columns = zip(names, verdicts.lists(), types, strict=True)
    return frame.assign(**{name: pandas.array(values, dtype=kind) for name, values, kind in columns})


def _with_polars_columns(frame: Any, names: tuple[str, str, str], verdicts: VerdictColumns) -> Any:
    polars = sys.modules["polars"]
    columns = zip(names, verdicts.lists(), (polars.String, polars.Float32, polars.Boolean), strict=True)
    return frame.with_columns(polars.Series(name, values, dtype=kind) for name, values, kind in columns)


def _with_arrow_columns(table: Any, names: tuple[str, str, str], verdicts: VerdictColumns) -> Any:
    pyarrow = sys.modules["pyarrow"]
    types = (pyarrow.string(), pyarrow.float32(), pyarrow.bool_())
    for name, values, kind in zip(names, (verdicts.labels, verdicts.scores, verdicts.truncated), types, strict=True):
        table = table.append_column(name, pyarrow.array(values, type=kind, mask=verdicts.null))
    return table
