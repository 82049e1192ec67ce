"""Sinks for Parquet parts, one row group each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spam_edge.batch.reading.blocks import Block, Row
from spam_edge.batch.reading.inputs import Input
from spam_edge.batch.writing.columns import Columns, VerdictNames, with_verdicts
from spam_edge.batch.writing.files import write_bytes
from spam_edge.batch.writing.tables import json_batch, text_batch


class ParquetSink:
    """Writes Parquet from Parquet, CSV or TSV rows."""

    def __init__(self, verdict_names: VerdictNames, names: Sequence[str], schema: Any) -> None:
        """Open an empty sink for columns of these names; ``schema`` is that of a Parquet input, else ``None``."""
        self._verdict_names, self._names, self._schema = verdict_names, names, schema
        self._batches: list[Any] = []

    def add(self, block: Block, columns: Columns) -> None:
        """Append rows with their verdicts."""
        batch = block.batch
        if batch is None:
            empty = self._schema is not None  # a Parquet block without a batch is empty
            batch = pa.RecordBatch.from_pylist([], self._schema) if empty else text_batch(block.rows, self._names)
        self._batches.append(with_verdicts(batch, columns, self._verdict_names))

    def save(self, path: Path) -> None:
        """Write the file atomically."""
        table = pa.Table.from_batches(self._batches)
        with write_bytes(path) as file:
            pq.write_table(table, file, row_group_size=max(table.num_rows, 1))


class JsonTableSink(ParquetSink):
    """Writes Parquet from JSON Lines; column types are inferred from all rows of the part."""

    def __init__(self, verdict_names: VerdictNames, source: Input, schema: Any) -> None:
        """Open an empty sink; ``schema`` is that of the first part, or ``None`` for the first part."""
        super().__init__(verdict_names, (), schema)
        self._source = source
        self._rows: list[Row] = []
        self._columns = Columns([], [], [])

    def add(self, block: Block, columns: Columns) -> None:
        """Append rows with their verdicts."""
        self._rows.extend(block.rows)
        self._columns.extend(columns)

    def save(self, path: Path) -> None:
        """Write the file atomically."""
        batch = json_batch(self._rows, self._source, self._schema)
        self._batches = [with_verdicts(batch, self._columns, self._verdict_names)]
        super().save(path)
