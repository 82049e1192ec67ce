"""What a part is written with: rows and their verdicts into one file, in any format that loses nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from spam_edge.batch.blocks import Block
from spam_edge.batch.columns import Columns, VerdictNames
from spam_edge.batch.inputs import Input
from spam_edge.batch.table_sinks import JsonTableSink, ParquetSink
from spam_edge.batch.text_sinks import ArrowCsvSink, CsvSink, JsonSink


class Sink(Protocol):
    """One part. Nothing reaches the disk before it is saved."""

    def add(self, block: Block, columns: Columns) -> None:
        """Take rows with their verdicts."""

    def save(self, path: Path) -> None:
        """Write the file, which appears when it is whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkOptions:
    """What all parts of a job are written with.

    Attributes:
        format: one of ``FORMATS``.
        verdict_names: names of the three columns that are added.
    """

    format: str
    verdict_names: VerdictNames

    def open(self, source: Input, names: Sequence[str], schema: Any, *, header: bool) -> Sink:
        """Return a sink for a part of an input with these columns; a CSV part may go without its header."""
        match self.format.split(".")[0]:
            case "parquet" if source.kind == "jsonl":
                return JsonTableSink(self.verdict_names, source, schema)
            case "parquet":
                return ParquetSink(self.verdict_names, names, schema)
            case "jsonl":
                return JsonSink(self.format, self.verdict_names, names, source)
            case _ if source.kind == "parquet":
                return ArrowCsvSink(self.format, self.verdict_names, schema, source, header=header)
            case _:
                return CsvSink(self.format, self.verdict_names, names, header=header)
