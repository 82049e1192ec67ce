"""Parts put together: the single output file, and the list of rows that could not be read."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from spam_edge.batch.journal import Record
from spam_edge.batch.layout import Layout
from spam_edge.batch.writing import write_bytes, write_text
from spam_edge.errors import JobError


def assemble(layout: Layout, records: Sequence[Record]) -> None:
    """Write the single file out of its parts, one row group per part where it is Parquet.

    Raises:
        JobError: parts of Parquet have different columns.
    """
    parts = [layout.home / record.file for record in records]
    if layout.format == "parquet":
        filled = [part for part, record in zip(parts, records, strict=True) if record.counts.written]
        _join_tables(layout.output, filled or parts[:1])
        return
    with write_bytes(layout.output) as output:
        for part in parts:
            with part.open("rb") as stream:
                shutil.copyfileobj(stream, output)


def write_rejects(path: Path, records: Sequence[Record]) -> None:
    """Write one line of JSON for each row that could not be read; no file where there is none."""
    if not any(record.rejects for record in records):
        path.unlink(missing_ok=True)
        return
    with write_text(path) as stream:
        for record in records:
            for line in record.rejects:
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def _join_tables(output: Path, parts: Sequence[Path]) -> None:
    schema = pq.read_schema(parts[0])
    with write_bytes(output) as stream, pq.ParquetWriter(stream, schema) as writer:
        for part in parts:
            table = pq.read_table(part, partitioning=None)
            if not table.schema.equals(schema):
                raise JobError(f"{part.name} has other columns than {parts[0].name}; name a folder with --output")
            writer.write_table(table, row_group_size=max(table.num_rows, 1))
