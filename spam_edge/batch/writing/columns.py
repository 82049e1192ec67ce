"""Verdict columns, aligned with the rows of a block; ``None`` for rows without a message."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from spam_edge.batch.backends.base import Verdicts
from spam_edge.batch.reading.blocks import Block, Row

VERDICT_COLUMNS = ("label", "spam_score", "truncated")
VerdictNames = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Columns:
    """Verdict columns, each with one entry per row."""

    label: list[str | None]
    score: list[np.float32 | None]
    truncated: list[bool | None]

    @classmethod
    def of(cls, rows: Sequence[Row], verdicts: Verdicts, labels: Sequence[str]) -> "Columns":
        """Align verdicts with rows: only rows with a text have one. ``labels`` maps label indices to names."""
        columns = cls([None] * len(rows), [None] * len(rows), [None] * len(rows))
        places = [index for index, row in enumerate(rows) if row.text is not None]
        found = zip(places, verdicts.score, verdicts.label, verdicts.truncated, strict=True)
        for place, score, label, truncated in found:
            columns.label[place] = labels[label]
            columns.score[place] = score
            columns.truncated[place] = bool(truncated)
        return columns

    def extend(self, others: "Columns") -> None:
        """Append the verdicts of the next block."""
        self.label.extend(others.label)
        self.score.extend(others.score)
        self.truncated.extend(others.truncated)


def with_rows(block: Block, columns: Columns) -> Iterator[tuple[Row, str | None, np.float32 | None, bool | None]]:
    """Yield each row with its label, score and truncation flag."""
    return zip(block.rows, columns.label, columns.score, columns.truncated, strict=True)


def with_verdicts(batch: Any, columns: Columns, names: Sequence[str]) -> Any:
    """Append the three verdict columns to a record batch; schema metadata is kept."""
    arrays = [
        pa.array(columns.label, type=pa.string()),
        pa.array(columns.score, type=pa.float32()),
        pa.array(columns.truncated, type=pa.bool_()),
    ]
    schema = batch.schema
    for name, array in zip(names, arrays, strict=True):
        schema = schema.append(pa.field(name, array.type))
    return pa.RecordBatch.from_arrays([*batch.columns, *arrays], schema=schema)
