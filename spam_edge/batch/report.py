"""What a job says of itself at its end."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """Counts of a whole job, also of what an earlier run of it did, and how the last run went.

    Attributes:
        rows: rows read; blank lines of text are none.
        written: rows written.
        labels: messages by label.
        spam_share: part of the messages that has the positive label, 0 to 1.
        null: rows whose text is null.
        truncated: messages longer than the model reads.
        errors: rows that could not be read.
        errors_by_reason: the same by the kind of reason.
        seconds: of this run.
        rows_per_second: rows classified in this run.
        parts: parts of the output.
        parts_resumed: those of them that an earlier run wrote.
        workers: lists of texts that were classified at the same time.
        engine: what classified them.
        bundle: its name, version and digest.
        threshold: lowest score that was called positive.
        inputs: the files, as they were named or found.
        output: the folder or file.
        already_finished: there was nothing left to do.
        schema_version: of this report.
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
        """Return what :meth:`to_dict` was made from."""
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON takes it."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield it for people."""
        messages = sum(self.labels.values())
        yield f"{'rows':<12}{self.rows:>12,}"
        for label, count in self.labels.items():
            yield f"{label:<12}{count:>12,}{count / messages if messages else 0:>8.1%}"
        for name, count in (("null", self.null), ("bad rows", self.errors), ("truncated", self.truncated)):
            yield f"{name:<12}{count:>12,}"
        resumed = f"  ({self.parts_resumed:,} from before)" if self.parts_resumed else ""
        yield f"{'parts':<12}{self.parts:>12,}{resumed}"
        yield f"{'seconds':<12}{self.seconds:>12.2f}{self.rows_per_second:>12,.0f} rows/s"
