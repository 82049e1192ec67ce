"""A batch job: inputs, output and options, and how it is run."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

from spam_edge.batch.assembly import assemble, write_rejects
from spam_edge.batch.engine import Engine, OpenEngine
from spam_edge.batch.journal import Counts, Journal
from spam_edge.batch.local import open_local_engine
from spam_edge.batch.pipeline import Pipeline
from spam_edge.batch.plan import Plan, make_plan
from spam_edge.batch.report import BatchReport
from spam_edge.csv_records import long_fields
from spam_edge.records import ReadOptions, display_name
from spam_edge.session import RuntimeOptions

ON_ERROR = ("fail", "skip", "null")
PART_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        rows: rows that are done, those of an earlier run included.
        bytes: bytes of the inputs that were read.
        total_bytes: bytes of all inputs.
        seconds: since the run began.
    """

    rows: int
    bytes: int
    total_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """Tables of messages to tables with verdicts; see the section "Batch jobs" of the README.

    Attributes:
        inputs: files, folders and globs.
        output: a file, if its suffix is that of a format, else a folder.
        bundle: as in :meth:`SpamClassifier.load`.
        runtime: how workers run the bundle; several take one thread each unless it says otherwise.
        reading: how inputs are read.
        output_format: format of the parts in a folder; by default that of the first input.
        column_prefix: put before the names of the three columns that are added.
        part_rows: most rows of a part, at least 1.
        on_error: ``fail`` at a row that cannot be read, ``skip`` it, or keep its place with verdicts that are ``null``.
        workers: how many, at least 1; by default as many as processor and memory allow.
        resume: go on with the job that was begun there; begin where there is none.
        force: replace what an earlier job left.
        report: file that the caller means to write into the output folder.
    """

    inputs: Sequence[str | os.PathLike[str]]
    output: str | os.PathLike[str]
    bundle: str | os.PathLike[str] | None = None
    runtime: RuntimeOptions = field(default_factory=RuntimeOptions)
    reading: ReadOptions = field(default_factory=ReadOptions)
    output_format: str | None = None
    column_prefix: str = ""
    part_rows: int = PART_ROWS
    on_error: str = "fail"
    workers: int | None = None
    resume: bool = False
    force: bool = False
    report: Path | None = None

    def __post_init__(self) -> None:
        if isinstance(self.inputs, str) or not self.inputs:
            raise ValueError("inputs must be a sequence of at least one path")
        if self.part_rows < 1:
            raise ValueError(f"part_rows must be at least 1, not {self.part_rows}")
        if self.on_error not in ON_ERROR:
            raise ValueError(f"on_error must be one of {', '.join(ON_ERROR)}, not {self.on_error!r}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers must be at least 1, not {self.workers}")
        if self.resume and self.force:
            raise ValueError("resume goes on with a job and force throws it away: choose one")

    def run(
        self,
        *,
        open_engine: OpenEngine = open_local_engine,
        progress: Callable[[Progress], None] | None = None,
    ) -> BatchReport:
        """Do the job, or what is left of it.

        Args:
            open_engine: makes what classifies.
            progress: is told how far the run is, after each chunk.

        Raises:
            SpamEdgeError: it cannot be done, or not to its end; what is finished stays for ``resume``.
        """
        plan = make_plan(self)
        journal = Journal(plan.layout.home)
        going_on = self.resume and journal.exists
        if self.force:
            plan.layout.check_foreign()
        elif not going_on:
            plan.layout.check_free()
        plan.layout.prepare()
        with journal.locked(), long_fields():
            plan.layout.clean()
            if going_on:
                journal.check(plan.description)
                if journal.finished:
                    plan.layout.remove_parts()
                    return replace(BatchReport.from_dict(journal.result()), already_finished=True)
            else:
                plan.layout.clear()
                journal.begin(plan.description)
            return self._run(plan, journal, open_engine, progress)

    def _run(
        self, plan: Plan, journal: Journal, open_engine: OpenEngine, progress: Callable[[Progress], None] | None
    ) -> BatchReport:
        start = perf_counter()
        total = sum(found.bytes for found in plan.inputs)
        rows = 0

        def tell(count: int, position: int) -> None:
            nonlocal rows
            rows += count
            if progress is not None:
                progress(Progress(rows, position, total, perf_counter() - start))

        with open_engine(plan.model, self.workers) as engine:
            pipeline = Pipeline(plan, journal, engine, on_error=self.on_error, part_rows=self.part_rows, tell=tell)
            pipeline.run()
        if plan.layout.single:
            assemble(plan.layout, pipeline.records)
        write_rejects(plan.layout.rejects, pipeline.records)
        report = _report(plan, pipeline, engine, perf_counter() - start)
        journal.finish(report.to_dict())
        plan.layout.remove_parts()
        return report


def _report(plan: Plan, pipeline: Pipeline, engine: Engine, seconds: float) -> BatchReport:
    manifest = plan.bundle.manifest
    counts = Counts(labels=dict.fromkeys(plan.point.labels, 0))
    for record in pipeline.records:
        counts.add(record.counts)
    messages = sum(counts.labels.values())
    return BatchReport(
        rows=counts.rows,
        written=counts.written,
        labels=counts.labels,
        spam_share=counts.labels[manifest.positive_label] / messages if messages else 0.0,
        null=counts.null,
        truncated=counts.truncated,
        errors=sum(counts.errors.values()),
        errors_by_reason=counts.errors,
        seconds=seconds,
        rows_per_second=pipeline.classified / seconds,
        parts=len(pipeline.records),
        parts_resumed=pipeline.resumed,
        workers=engine.workers,
        engine=engine.name,
        bundle={"name": manifest.name, "version": manifest.version, "digest": plan.bundle.digest},
        threshold=plan.point.threshold,
        inputs=[found.name for found in plan.inputs],
        output=display_name(Path(plan.layout.output)),
    )
