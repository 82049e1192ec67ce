"""What a job records of a finished part: its file, its rows and their checksums."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from spam_edge.batch.folder import is_regular
from spam_edge.batch.names import is_part_name
from spam_edge.bundle.checks import Check, InvalidValueError, each, each_value, entries, integer, record, shown, text
from spam_edge.bundle.hashes import sha256_of


@dataclass(slots=True)
class Counts:
    """Row counts.

    Attributes:
        rows: rows read, including bad rows; blank lines do not count.
        written: rows written.
        labels: messages per label.
        null: rows whose text is null.
        truncated: messages that exceeded the maximum length of the model.
        errors: bad rows per kind of fault.
    """

    rows: int = 0
    written: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    null: int = 0
    truncated: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Add other counts in place."""
        self.rows += other.rows
        self.written += other.written
        self.null += other.null
        self.truncated += other.truncated
        for mine, others in ((self.labels, other.labels), (self.errors, other.errors)):
            for name, count in others.items():
                mine[name] = mine.get(name, 0) + count


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecord:
    """The record of a finished part.

    Attributes:
        file: file name.
        input: index of the input.
        first_row: index of its first row in that input, from 0.
        counts: row counts.
        sha256: checksum of the file.
        rows_sha256: checksum of the input rows.
        rejects: entries for the reject file.
    """

    file: str
    input: int
    first_row: int
    counts: Counts
    sha256: str
    rows_sha256: str
    rejects: list[dict[str, Any]]

    @classmethod
    def parse(cls, data: object, number: int) -> Self:
        """Build the record of a part from parsed JSON.

        Args:
            data: the content of the record.
            number: number of the part.

        Raises:
            ValueError: a field is missing, unknown or of the wrong type, or the file is not that of the part.
        """
        values = record(_PART, data, "", optional=frozenset())
        part = cls(**values | {"counts": Counts(**values["counts"])})
        if not is_part_name(part.file, number):
            raise InvalidValueError(f"it names {shown(part.file)}")
        return part


def is_intact(path: Path, part: PartRecord) -> bool:
    """Whether the file of a part can be read and matches its checksum."""
    try:
        return is_regular(path) and path.name == part.file and sha256_of(path) == part.sha256
    except OSError:
        return False


def _counts(value: object, name: str) -> dict[str, Any]:
    return record(_COUNTS, value, name, optional=frozenset())


_COUNTS: Mapping[str, Check[Any]] = {
    "rows": integer,
    "written": integer,
    "labels": each_value(integer),
    "null": integer,
    "truncated": integer,
    "errors": each_value(integer),
}
_PART: Mapping[str, Check[Any]] = {
    "file": text,
    "input": integer,
    "first_row": integer,
    "counts": _counts,
    "sha256": text,
    "rows_sha256": text,
    "rejects": lambda value, name: list(each(entries)(value, name)),
}
