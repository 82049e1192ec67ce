"""Parts of Parquet, one row group each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spam_edge.batch.blocks import Block, Row
from spam_edge.batch.columns import Columns, VerdictNames, with_verdicts
from spam_edge.batch.inputs import Input
from spam_edge.batch.tables import json_batch, text_batch
from spam_edge.batch.writing import write_bytes


class ParquetSink:
    """Parquet out of Parquet, CSV or TSV."""

    def __init__(self, verdict_names: VerdictNames, names: Sequence[str], schema: Any) -> None:
        """Begin with nothing."""
        self._verdict_names, self._names, self._schema = verdict_names, names, schema
        self._batches: list[Any] = []

    def add(self, block: Block, columns: Columns) -> None:
        """Take rows with their verdicts."""
        batch = block.batch
        if batch is None:
            empty = self._schema is not None  # only an empty block comes out of Parquet without a batch
            batch = pa.RecordBatch.from_pylist([], self._schema) if empty else text_batch(block.rows, self._names)
        self._batches.append(with_verdicts(batch, columns, self._verdict_names))

    def save(self, path: Path) -> None:
        """Write the file, which appears when it is whole."""
        table = pa.Table.from_batches(self._batches)
        with write_bytes(path) as file:
            pq.write_table(table, file, row_group_size=max(table.num_rows, 1))


class JsonTableSink(ParquetSink):
    """Parquet out of JSON Lines; the types of the columns come out when all rows of the part are there."""

    def __init__(self, verdict_names: VerdictNames, source: Input, schema: Any) -> None:
        """Begin with nothing; ``schema`` is that of the first part, where there is one already."""
        super().__init__(verdict_names, (), schema)
        self._source = source
        self._rows: list[Row] = []
        self._columns = Columns([], [], [])

    def add(self, block: Block, columns: Columns) -> None:
        """Take rows with their verdicts."""
        self._rows.extend(block.rows)
        self._columns.extend(columns)

    def save(self, path: Path) -> None:
        """Write the file, which appears when it is whole."""
        batch = json_batch(self._rows, self._source, self._schema)
        self._batches = [with_verdicts(batch, self._columns, self._verdict_names)]
        super().save(path)
