"""The batch job: options, run and report."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from spam_edge.batch.backends.base import Engine, OpenEngine
from spam_edge.batch.backends.local import open_local_engine
from spam_edge.batch.journal import Journal
from spam_edge.batch.options import JobOptions
from spam_edge.batch.pipeline import Pipeline
from spam_edge.batch.plan import Plan, make_plan
from spam_edge.batch.records import Counts
from spam_edge.batch.report import BatchReport
from spam_edge.batch.writing.assembly import assemble, write_rejects
from spam_edge.errors import JobError
from spam_edge.readers.delimited import long_fields
from spam_edge.readers.windows import display_name


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run.

    Attributes:
        rows: rows done, including those of an earlier run.
        bytes: input bytes read.
        total_bytes: size of all inputs in bytes.
        seconds: seconds since the run began.
    """

    rows: int
    bytes: int
    total_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob(JobOptions):
    """A job that classifies tables of messages; see docs/batch.md.

    The attributes are those of :class:`JobOptions`.
    """

    def run(
        self,
        *,
        open_engine: OpenEngine = open_local_engine,
        progress: Callable[[Progress], None] | None = None,
    ) -> BatchReport:
        """Run the job, or the rest of it.

        Args:
            open_engine: factory of the engine.
            progress: called after each chunk.

        Raises:
            SpamEdgeError: the job cannot start or complete; finished parts stay for ``resume``.
        """
        try:
            return self._plan_and_run(open_engine, progress)
        except BrokenPipeError:  # of the caller's progress
            raise
        except OSError as error:  # such as a name that is too long
            raise JobError(f"{error}; name another path") from error

    def _plan_and_run(self, open_engine: OpenEngine, progress: Callable[[Progress], None] | None) -> BatchReport:
        plan = make_plan(self)
        plan.layout.check_home()
        journal = plan.layout.journal
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
                    return replace(journal.result(), already_finished=True)
            else:
                plan.layout.clear()
                journal.begin(plan.description, [found.stem for found in plan.inputs])
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
