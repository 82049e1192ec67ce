"""Everything about a job that can be known, and can be wrong, before it begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from spam_edge import __version__
from spam_edge.batch.columns import VERDICT_COLUMNS
from spam_edge.batch.engine import Model
from spam_edge.batch.inputs import FORMATS, Input, find_inputs, format_of
from spam_edge.batch.layout import Layout
from spam_edge.batch.sinks import SinkOptions
from spam_edge.batch.sources import Source, open_source
from spam_edge.batch.tables import check_conversion
from spam_edge.bundle import Bundle
from spam_edge.errors import JobError
from spam_edge.operating_points import OperatingPoint

if TYPE_CHECKING:
    from spam_edge.batch.job import BatchJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A job that may begin.

    Attributes:
        inputs: the files.
        sources: what reads them, in the same order.
        layout: where its output goes.
        sinks: how parts are written.
        bundle: the model.
        model: how workers open it.
        point: what a score is called.
        description: all that decides what comes out, for the job file.
    """

    inputs: tuple[Input, ...]
    sources: tuple[Source, ...]
    layout: Layout
    sinks: SinkOptions
    bundle: Bundle
    model: Model
    point: OperatingPoint
    description: dict[str, Any]


def make_plan(job: "BatchJob") -> Plan:
    """Look at all inputs and at the output.

    Raises:
        SpamEdgeError: the job cannot be done.
    """
    bundle = Bundle.find(job.bundle)
    inputs = find_inputs(job.inputs, job.reading)
    layout = _layout(job, inputs[0])
    layout.check_inputs([Path(named) for named in job.inputs], inputs)
    label, score, truncated = (job.column_prefix + name for name in VERDICT_COLUMNS)
    sinks = SinkOptions(format=layout.format, verdict_names=(label, score, truncated))
    sources = tuple(open_source(found, job.reading, sinks.verdict_names) for found in inputs)
    for found, source in zip(inputs, sources, strict=True):
        check_conversion(found, source.names, source.schema, layout.format)
    if layout.single:
        _check_alike(inputs, sources, layout.format)
    model = Model.of(bundle, job.runtime)
    point = OperatingPoint.of(bundle, job.runtime)
    return Plan(
        inputs=inputs,
        sources=sources,
        layout=layout,
        sinks=sinks,
        bundle=bundle,
        model=model,
        point=point,
        description=_describe_model(bundle, model, point)
        | _describe_tables(job, inputs, sinks)
        | {"single": layout.single},
    )


def _layout(job: "BatchJob", first: Input) -> Layout:
    output = Path(job.output)
    by_suffix = None if output.is_dir() else format_of(output)
    if by_suffix and job.output_format not in (None, by_suffix):
        raise JobError(f"--output {output} is {by_suffix} by its name, but --format says {job.output_format}")
    chosen = by_suffix or job.output_format or first.format
    if chosen not in FORMATS:
        raise JobError(f"format must be one of {', '.join(FORMATS)}, not {chosen!r}")
    return Layout(output=output, single=by_suffix is not None, format=chosen, report=job.report)


def _check_alike(inputs: Sequence[Input], sources: Sequence[Source], output_format: str) -> None:
    """Rows of one file must have the same columns."""
    kind = output_format.split(".", maxsplit=1)[0]
    known = [(found, source) for found, source in zip(inputs, sources, strict=True) if found.kind != "jsonl"]
    if kind == "jsonl" or not known:
        return
    columns = [
        _columns(source) if kind == "parquet" else pa.schema([(n, pa.null()) for n in source.names])
        for _, source in known
    ]
    for (found, _), schema in zip(known, columns, strict=True):
        if not schema.equals(columns[0]):
            raise JobError(
                f"{found.name} has other columns than {known[0][0].name}; one file cannot hold both, "
                "name a folder with --output"
            )


def _columns(source: Source) -> Any:
    return pa.schema([(name, pa.string()) for name in source.names]) if source.schema is None else source.schema


def _describe_model(bundle: Bundle, model: Model, point: OperatingPoint) -> dict[str, Any]:
    manifest, runtime = bundle.manifest, model.options
    return {
        "spam_edge": __version__,
        "bundle": {"name": manifest.name, "version": manifest.version, "digest": bundle.digest},
        "runtime": {"device": runtime.device, "variant": runtime.variant, "file": model.file, "exact": runtime.exact},
        "threshold": point.threshold,
        "unsure_from": point.unsure_from,
    }


def _describe_tables(job: "BatchJob", inputs: Sequence[Input], sinks: SinkOptions) -> dict[str, Any]:
    reading = job.reading
    return {
        "inputs": [
            {"path": str(found.path.resolve()), "bytes": found.bytes, "mtime_ns": found.mtime_ns} for found in inputs
        ],
        "input_format": reading.input_format,
        "text_column": reading.text_column,
        "encoding": reading.encoding,
        "format": sinks.format,
        "columns": list(sinks.verdict_names),
        "part_rows": job.part_rows,
        "on_error": job.on_error,
    }
