"""The pipeline: read chunks, submit them to workers, and write parts in order, with bounded chunks in flight."""

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq

from spam_edge.batch.backends.base import Engine, Verdicts
from spam_edge.batch.journal import Journal
from spam_edge.batch.plan import Plan
from spam_edge.batch.reading.blocks import Block, Chunk, cut
from spam_edge.batch.reading.inputs import Input
from spam_edge.batch.reading.sources import Source
from spam_edge.batch.records import Counts, PartRecord, is_intact
from spam_edge.batch.writing.columns import Columns
from spam_edge.batch.writing.sinks import Sink
from spam_edge.bundle.hashes import sha256_of
from spam_edge.errors import InputError, JobError

_AHEAD = 2
"""Queued chunks per worker, besides the one being classified."""


@dataclass(slots=True)
class _Part:
    """A part being read or written."""

    number: int
    input: int
    first_row: int
    record: PartRecord | None  # from an earlier run
    counts: Counts = field(default_factory=Counts)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    rows: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    sink: Sink | None = None


@dataclass(slots=True)
class _Pending:
    """A submitted chunk."""

    part: _Part
    block: Block
    verdicts: "Future[Verdicts]"
    closes_part: bool


class Pipeline:
    """One run of a job.

    Attributes:
        records: records of the finished parts, in order.
        resumed: number of parts finished by an earlier run.
        classified: rows classified in this run.
    """

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        engine: Engine,
        *,
        on_error: str,
        part_rows: int,
        tell: Callable[[int, int], None],
    ) -> None:
        """Set up a run; ``tell`` receives the rows done since the last call and the input bytes read in total."""
        self.records: list[PartRecord] = []
        self.resumed = 0
        self.classified = 0
        self._plan, self._journal, self._engine = plan, journal, engine
        self._on_error, self._part_rows, self._tell = on_error, part_rows, tell
        self._pending: deque[_Pending] = deque()
        self._number = 0
        self._bytes_before = 0
        self._json_schema: Any = None

    def run(self) -> None:
        """Read all inputs and write all missing parts.

        Raises:
            SpamEdgeError: a row or file cannot be read, an input changed, or the workers failed. Before an input
                error is raised, parts already read in full are written.
        """
        for index, (found, source) in enumerate(zip(self._plan.inputs, self._plan.sources, strict=True)):
            try:
                self._read(index, found, source)
            except InputError:
                _check_unchanged(found)
                self._finish_read_parts()
                raise
            _check_unchanged(found)
            self._bytes_before += found.bytes
        while self._pending:
            self._receive()

    def _read(self, index: int, found: Input, source: Source) -> None:
        row = 0
        part = None
        for chunk in cut(source.blocks(), part_rows=self._part_rows):
            part = part or self._begin_part(index, found, row)
            self._take(part, chunk)
            row += len(chunk.block.rows)
            if chunk.closes_part:
                part = None

    def _begin_part(self, index: int, found: Input, row: int) -> _Part:
        record = self._journal.part(self._number)
        if record and not is_intact(self._plan.layout.part(self._number, found.stem), record):
            record = None
        self._number += 1
        return _Part(self._number - 1, index, row, record)

    def _take(self, part: _Part, chunk: Chunk) -> None:
        part.counts.rows += len(chunk.block.rows)
        chunk.block.digest_into(part.rows)
        if part.record:
            self._tell(len(chunk.block.rows), self._bytes_before + chunk.block.position)
            if chunk.closes_part:
                self._skip(part, part.record)
            return
        self._reject(part, chunk.block)
        block = chunk.block.readable() if self._on_error == "skip" else chunk.block
        self._pending.append(_Pending(part, block, self._engine.submit(block.texts), chunk.closes_part))
        while len(self._pending) > self._engine.workers * (1 + _AHEAD):
            self._receive()

    def _skip(self, part: _Part, record: PartRecord) -> None:
        if (part.rows.hexdigest(), part.first_row) != (record.rows_sha256, record.first_row):
            name = self._plan.inputs[part.input].name
            raise JobError(f"cannot resume: {name} changed after the job began; --force starts over")
        while self._pending:  # lost parts before it are being rewritten
            self._receive()
        self.resumed += 1
        self._keep(part, record)

    def _reject(self, part: _Part, block: Block) -> None:
        place = "row" if block.batch is not None else "line"
        for fault in (row.fault for row in block.rows if row.fault):
            if fault.hides:
                raise InputError(
                    f"{fault.file}:{fault.line}: {fault.reason}. Further rows may be lost in it, so no --on-error "
                    "leaves it out; correct the file"
                )
            if self._on_error == "fail":
                raise InputError(
                    f"{fault.file}:{fault.line}: {fault.reason}; --on-error skip omits bad rows, "
                    "null keeps them without a verdict"
                )
            part.counts.errors[fault.kind] = part.counts.errors.get(fault.kind, 0) + 1
            part.rejects.append({"file": fault.file, place: fault.line, "reason": fault.reason})

    def _receive(self) -> None:
        """Wait for the oldest chunk and write its rows.

        Raises:
            InputError: the format cannot hold a row. Later chunks are dropped: their part would lack this one.
        """
        chunk = self._pending.popleft()
        try:
            self._write(chunk)
        except InputError:
            self._pending.clear()
            raise

    def _write(self, chunk: _Pending) -> None:
        part, rows = chunk.part, chunk.block.rows
        labels = self._plan.point.labels
        columns = Columns.of(rows, chunk.verdicts.result(), labels)
        part.sink = part.sink or self._open_sink(part)
        part.sink.add(chunk.block, columns)
        part.counts.add(
            Counts(
                written=len(rows),
                labels={label: columns.label.count(label) for label in labels},
                null=sum(row.text is None and row.fault is None for row in rows),
                truncated=sum(bool(truncated) for truncated in columns.truncated),
            )
        )
        self.classified += len(rows)
        self._tell(len(rows), self._bytes_before + chunk.block.position)
        if chunk.closes_part:
            self._close(part, part.sink)

    def _open_sink(self, part: _Part) -> Sink:
        source = self._plan.sources[part.input]
        found = self._plan.inputs[part.input]
        schema = self._json_schema if found.kind == "jsonl" else source.schema
        header = not self._plan.layout.single or part.number == 0
        return self._plan.sinks.open(found, source.names, schema, header=header)

    def _close(self, part: _Part, sink: Sink) -> None:
        path = self._plan.layout.part(part.number, self._plan.inputs[part.input].stem)
        sink.save(path)
        record = PartRecord(
            file=path.name,
            input=part.input,
            first_row=part.first_row,
            counts=part.counts,
            sha256=sha256_of(path),
            rows_sha256=part.rows.hexdigest(),
            rejects=part.rejects,
        )
        self._journal.add(part.number, record)
        self._keep(part, record)

    def _keep(self, part: _Part, record: PartRecord) -> None:
        self.records.append(record)
        found = self._plan.inputs[part.input]
        is_table = found.kind == "jsonl" and self._plan.layout.format == "parquet"
        if is_table and self._json_schema is None and record.counts.written:
            schema = pq.read_schema(self._plan.layout.part(part.number, found.stem))
            for name in self._plan.sinks.verdict_names:
                schema = schema.remove(schema.get_field_index(name))
            self._json_schema = schema.remove_metadata()

    def _finish_read_parts(self) -> None:
        """Write the parts read in full; later chunks are dropped."""
        whole = [index for index, chunk in enumerate(self._pending) if chunk.closes_part]
        for _ in range(whole[-1] + 1 if whole else 0):
            self._receive()


def _check_unchanged(found: Input) -> None:
    if found.changed:
        raise JobError(f"{found.name} changed while it was read; --force starts over")
