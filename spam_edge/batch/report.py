"""The report of a finished job."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from spam_edge.bundle.checks import Check, boolean, each, each_value, integer, number, record, share, text

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """Counts of the whole job, including earlier runs, and the speed of the last run.

    Attributes:
        rows: rows read; blank lines do not count.
        written: rows written.
        labels: messages per label.
        spam_share: share of messages with the positive label, 0 to 1.
        null: rows whose text is null.
        truncated: messages that exceeded the maximum length of the model.
        errors: bad rows.
        errors_by_reason: bad rows per kind of fault.
        seconds: duration of this run.
        rows_per_second: classification rate of this run.
        parts: number of output parts.
        parts_resumed: parts written by an earlier run.
        workers: number of workers.
        engine: name of the engine.
        bundle: name, version and digest of the bundle.
        threshold: lowest score labelled positive.
        inputs: input files, as named or found.
        output: output folder or file.
        already_finished: whether an earlier run had finished the job.
        schema_version: version of the report format.
    """

    rows: int
    written: int
    labels: dict[str, int]
    spam_share: float
    null: int
    truncated: int
    errors: int
    errors_by_reason: dict[str, int]
    seconds: float
    rows_per_second: float
    parts: int
    parts_resumed: int
    workers: int
    engine: str
    bundle: dict[str, str]
    threshold: float
    inputs: list[str]
    output: str
    already_finished: bool = False
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a report from the output of :meth:`to_dict`.

        Raises:
            ValueError: a value is missing, unknown or of the wrong type.
        """
        return cls(**record(_FIELDS, values, "", optional=frozenset({"already_finished", "schema_version"})))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-serialisable values."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield the lines of a human-readable summary."""
        messages = sum(self.labels.values())
        yield f"{'rows':<12}{self.rows:>12,}"
        for label, count in self.labels.items():
            yield f"{label:<12}{count:>12,}{count / messages if messages else 0:>8.1%}"
        for name, count in (("null", self.null), ("bad rows", self.errors), ("truncated", self.truncated)):
            yield f"{name:<12}{count:>12,}"
        resumed = f"  ({self.parts_resumed:,} resumed)" if self.parts_resumed else ""
        yield f"{'parts':<12}{self.parts:>12,}{resumed}"
        yield f"{'seconds':<12}{self.seconds:>12.2f}{self.rows_per_second:>12,.0f} rows/s"


_FIELDS: Mapping[str, Check[Any]] = {
    "rows": integer,
    "written": integer,
    "labels": each_value(integer),
    "spam_share": share,
    "null": integer,
    "truncated": integer,
    "errors": integer,
    "errors_by_reason": each_value(integer),
    "seconds": number,
    "rows_per_second": number,
    "parts": integer,
    "parts_resumed": integer,
    "workers": integer,
    "engine": text,
    "bundle": each_value(text),
    "threshold": number,
    "inputs": lambda value, name: list(each(text)(value, name)),
    "output": text,
    "already_finished": boolean,
    "schema_version": integer,
}
