"""Assemble the single output file from its parts, and write the list of bad rows."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from spam_edge.batch.folder import open_file
from spam_edge.batch.output import Layout
from spam_edge.batch.records import PartRecord
from spam_edge.batch.writing.files import write_bytes, write_text
from spam_edge.errors import JobError


def assemble(layout: Layout, records: Sequence[PartRecord]) -> None:
    """Concatenate the parts into the single output file; in Parquet each part is one row group.

    Raises:
        JobError: Parquet parts have different columns.
    """
    parts = [layout.home / record.file for record in records]
    if layout.format == "parquet":
        filled = [part for part, record in zip(parts, records, strict=True) if record.counts.written]
        _join_tables(layout.output, filled or parts[:1])
        return
    with write_bytes(layout.output) as output:
        for part in parts:
            with open_file(part) as stream:
                shutil.copyfileobj(stream, output)


def write_rejects(path: Path, records: Sequence[PartRecord]) -> None:
    """Write one line of JSON per bad row; without bad rows there is no file."""
    if not any(record.rejects for record in records):
        return
    with write_text(path) as stream:
        for record in records:
            for line in record.rejects:
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")


def _join_tables(output: Path, parts: Sequence[Path]) -> None:
    with open_file(parts[0]) as first:
        schema = pq.read_schema(first)
    with write_bytes(output) as stream, pq.ParquetWriter(stream, schema) as writer:
        for part in parts:
            # Threads that read a Python file may outlive the interpreter, which aborts the process.
            with open_file(part) as source, pq.ParquetFile(source, pre_buffer=False) as file:
                table = file.read(use_threads=False)
            if not table.schema.equals(schema):
                raise JobError(f"{part.name} and {parts[0].name} have different columns; name a folder with --output")
            writer.write_table(table, row_group_size=max(table.num_rows, 1))
