"""Verdicts beside the rows of a block, ``None`` where there is no message."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from spam_edge.batch.blocks import Block, Row
from spam_edge.batch.engine import Verdicts

VERDICT_COLUMNS = ("label", "spam_score", "truncated")
VerdictNames = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Columns:
    """One entry per row of a block."""

    label: list[str | None]
    score: list[np.float32 | None]
    truncated: list[bool | None]

    @classmethod
    def of(cls, rows: Sequence[Row], verdicts: Verdicts, labels: Sequence[str]) -> "Columns":
        """Spread verdicts over the rows that have a text; ``labels`` are the names of theirs."""
        columns = cls([None] * len(rows), [None] * len(rows), [None] * len(rows))
        places = [index for index, row in enumerate(rows) if row.text is not None]
        found = zip(places, verdicts.score, verdicts.label, verdicts.truncated, strict=True)
        for place, score, label, truncated in found:
            columns.label[place] = labels[label]
            columns.score[place] = score
            columns.truncated[place] = bool(truncated)
        return columns

    def extend(self, others: "Columns") -> None:
        """Add the verdicts of the block that follows."""
        self.label.extend(others.label)
        self.score.extend(others.score)
        self.truncated.extend(others.truncated)


def beside(block: Block, columns: Columns) -> Iterator[tuple[Row, str | None, np.float32 | None, bool | None]]:
    """Yield each row with its verdict."""
    return zip(block.rows, columns.label, columns.score, columns.truncated, strict=True)


def with_verdicts(batch: Any, columns: Columns, names: Sequence[str]) -> Any:
    """Return a record batch with the three columns at its end; what its schema says beside types is kept."""
    arrays = [
        pa.array(columns.label, type=pa.string()),
        pa.array(columns.score, type=pa.float32()),
        pa.array(columns.truncated, type=pa.bool_()),
    ]
    schema = batch.schema
    for name, array in zip(names, arrays, strict=True):
        schema = schema.append(pa.field(name, array.type))
    return pa.RecordBatch.from_arrays([*batch.columns, *arrays], schema=schema)
