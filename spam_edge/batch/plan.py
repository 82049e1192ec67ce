"""The plan of a job: everything that is resolved and checked before the first row is classified."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from spam_edge import __version__
from spam_edge.batch.backends.base import Model
from spam_edge.batch.options import JobOptions
from spam_edge.batch.output import Layout
from spam_edge.batch.reading.inputs import FORMATS, READ_ONLY, Input, find_inputs, format_of
from spam_edge.batch.reading.sources import Source, open_source
from spam_edge.batch.writing.columns import VERDICT_COLUMNS
from spam_edge.batch.writing.sinks import SinkOptions
from spam_edge.batch.writing.tables import check_conversion
from spam_edge.bundle.locate import Bundle
from spam_edge.decision.operating_points import OperatingPoint
from spam_edge.errors import JobError
from spam_edge.readers.windows import STDIN

_FILE_SUFFIX = re.compile(r"\.[a-z]\w*", re.IGNORECASE)
"""A suffix that names a format, unlike that of ``run-1.5`` or of a date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A checked job.

    Attributes:
        inputs: the input files.
        sources: their readers, in the same order.
        layout: paths of the output.
        sinks: how parts are written.
        bundle: the bundle.
        model: how workers open the bundle.
        point: the operating point.
        description: everything that determines the output, for the job file.
    """

    inputs: tuple[Input, ...]
    sources: tuple[Source, ...]
    layout: Layout
    sinks: SinkOptions
    bundle: Bundle
    model: Model
    point: OperatingPoint
    description: dict[str, Any]


def make_plan(job: JobOptions) -> Plan:
    """Check all inputs and the output of a job.

    Raises:
        SpamEdgeError: the job cannot run as specified.
    """
    bundle = Bundle.find(job.bundle, digest=job.runtime.digest)
    inputs = find_inputs(job.inputs, job.reading)
    layout = _layout(job, inputs[0])
    layout.check_inputs([Path(named) for named in job.inputs], inputs)
    layout.check_report(inputs, bundle.path)
    label, score, truncated = (job.column_prefix + name for name in VERDICT_COLUMNS)
    sinks = SinkOptions(
        format=layout.format, verdict_names=(label, score, truncated), spreadsheet_safe=job.spreadsheet_safe
    )
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


def _layout(job: JobOptions, first: Input) -> Layout:
    output = Path(job.output)
    by_suffix = None if output.is_dir() else format_of(output)
    if by_suffix and job.output_format not in (None, by_suffix):
        raise JobError(
            f"--output {output} has the suffix of {by_suffix}, but --format is {job.output_format}; change one of them"
        )
    if output == STDIN:
        raise JobError("--output - is no file; name a file or a folder: batch does not write to standard output")
    if by_suffix is None and not output.is_dir() and _FILE_SUFFIX.fullmatch(output.suffix):
        raise JobError(
            f"--output {output} has the suffix of no format that batch writes (.{', .'.join(FORMATS)}); "
            "change the suffix, or create the folder if it is one"
        )
    chosen = by_suffix or job.output_format or ("csv" if first.format in READ_ONLY else first.format)
    if chosen not in FORMATS:
        raise JobError(f"format must be one of {', '.join(FORMATS)}, not {chosen!r}")
    if job.spreadsheet_safe and not chosen.startswith(("csv", "tsv")):
        raise JobError(f"--spreadsheet-safe is for csv and tsv, but the output is {chosen}; leave it out")
    return Layout(output=output, single=by_suffix is not None, format=chosen, report=job.report)


def _check_alike(inputs: Sequence[Input], sources: Sequence[Source], output_format: str) -> None:
    """Check that all inputs have the same columns, as a single output file requires.

    Raises:
        JobError: the columns of two inputs differ.
    """
    kind = output_format.split(".", maxsplit=1)[0]
    # JSON Lines become Parquet columns only when a part is written.
    known = [
        (found, source)
        for found, source in zip(inputs, sources, strict=True)
        if found.kind != "jsonl" or kind != "parquet"
    ]
    if kind == "jsonl" or not known:
        return
    columns = [
        _columns(source) if kind == "parquet" else pa.schema([(n, pa.null()) for n in source.names])
        for _, source in known
    ]
    for (found, _), schema in zip(known, columns, strict=True):
        if not schema.equals(columns[0]):
            raise JobError(
                f"{found.name} and {known[0][0].name} have different columns, which one file cannot hold; "
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


def _describe_tables(job: JobOptions, inputs: Sequence[Input], sinks: SinkOptions) -> dict[str, Any]:
    reading = job.reading
    return {
        "inputs": [
            {"path": str(found.path.resolve()), "bytes": found.bytes, "mtime_ns": found.mtime_ns} for found in inputs
        ],
        "input_format": reading.input_format,
        "text_column": reading.text_column,
        "encoding": reading.encoding,
        "delimiter": reading.delimiter,
        "long_cells": reading.long_cells,
        "format": sinks.format,
        "columns": list(sinks.verdict_names),
        "spreadsheet_safe": sinks.spreadsheet_safe,
        "part_rows": job.part_rows,
        "on_error": job.on_error,
    }
