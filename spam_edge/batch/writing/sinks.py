"""Sinks: write the rows and verdicts of one part to a file, without losing information."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from spam_edge.batch.reading.blocks import Block
from spam_edge.batch.reading.inputs import Input
from spam_edge.batch.writing.columns import Columns, VerdictNames
from spam_edge.batch.writing.table_sinks import JsonTableSink, ParquetSink
from spam_edge.batch.writing.text_sinks import ArrowCsvSink, CsvSink, JsonCsvSink, JsonSink


class Sink(Protocol):
    """Writer of one part. The part stays in memory until it is saved."""

    def add(self, block: Block, columns: Columns) -> None:
        """Append rows with their verdicts."""

    def save(self, path: Path) -> None:
        """Write the file atomically."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkOptions:
    """Output options of all parts of a job.

    Attributes:
        format: one of ``FORMATS``.
        verdict_names: names of the three added columns.
        spreadsheet_safe: apply :func:`spam_edge.escapes.spreadsheet_cell` to the texts of CSV and TSV.
    """

    format: str
    verdict_names: VerdictNames
    spreadsheet_safe: bool = False

    def open(self, source: Input, names: Sequence[str], schema: Any, *, header: bool) -> Sink:
        """Open a sink for one part of an input; ``header=False`` omits the header of a CSV part."""
        match self.format.split(".")[0]:
            case "parquet" if source.kind == "jsonl":
                return JsonTableSink(self.verdict_names, source, schema)
            case "parquet":
                return ParquetSink(self.verdict_names, names, schema)
            case "jsonl":
                return JsonSink(self.format, self.verdict_names, names, source)
            case _:
                kind = {"parquet": ArrowCsvSink, "jsonl": JsonCsvSink}.get(source.kind, CsvSink)
                sink = kind(self.format, self.verdict_names, names, source, spreadsheet_safe=self.spreadsheet_safe)
                if header:
                    sink.write_header()
                return sink
