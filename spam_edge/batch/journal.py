"""What a job remembers, so that it can go on: a job file, and a record of each part that is finished."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spam_edge.batch.layout import LOCK
from spam_edge.batch.writing import write_text
from spam_edge.bundle import sha256_of
from spam_edge.errors import JobError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SCHEMA_VERSION = 1


@dataclass(slots=True)
class Counts:
    """What was counted in rows.

    Attributes:
        rows: rows read, those with faults included; blank lines are none.
        written: rows written.
        labels: messages by label.
        null: rows whose text is null.
        truncated: messages longer than the model reads.
        errors: rows that could not be read, by the kind of reason.
    """

    rows: int = 0
    written: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    null: int = 0
    truncated: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Add other counts to these."""
        self.rows += other.rows
        self.written += other.written
        self.null += other.null
        self.truncated += other.truncated
        for mine, others in ((self.labels, other.labels), (self.errors, other.errors)):
            for name, count in others.items():
                mine[name] = mine.get(name, 0) + count


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A finished part.

    Attributes:
        file: name of its file.
        input: index of the input.
        first_row: its first row in that input, from 0.
        counts: what was counted in it.
        sha256: of its file.
        rows_sha256: of the rows it came from.
        rejects: lines of the reject file.
    """

    file: str
    input: int
    first_row: int
    counts: Counts
    sha256: str
    rows_sha256: str
    rejects: list[dict[str, Any]]


class Journal:
    """The hidden folder of a job."""

    def __init__(self, home: Path) -> None:
        """Name the folder, which need not be there."""
        self._home = home

    @property
    def exists(self) -> bool:
        """Whether a job was begun here."""
        return (self._home / "job.json").is_file()

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""
        return (self._home / "done.json").is_file()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other jobs away from this folder, where the system can.

        Raises:
            JobError: another one is at work.
        """
        with (self._home / LOCK).open("w") as stream:
            try:
                if fcntl is not None:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise JobError(f"another job is writing there ({self._home}); wait for its end") from error
            yield

    def begin(self, job: Mapping[str, Any]) -> None:
        """Write the job file."""
        _write(self._home / "job.json", {"schema_version": SCHEMA_VERSION, **job})

    def check(self, job: Mapping[str, Any]) -> None:
        """Compare with the job that was begun here.

        Raises:
            JobError: something that changes what comes out is not as it was.
        """
        before = _read(self._home / "job.json")
        now = json.loads(json.dumps({"schema_version": SCHEMA_VERSION, **job}))
        for name in now:
            if before.get(name) != now[name]:
                raise JobError(f"cannot resume: {_difference(name, before.get(name), now[name])}; --force begins again")

    def part(self, number: int) -> Record | None:
        """Return the record of a part, if it is finished."""
        path = self._home / f"part-{number:05}.json"
        if not path.is_file():
            return None
        values = _read(path)
        return Record(**values | {"counts": Counts(**values["counts"])})

    def add(self, number: int, record: Record) -> None:
        """Remember a part whose file has its name."""
        _write(self._home / f"part-{number:05}.json", asdict(record))

    def finish(self, result: Mapping[str, Any]) -> None:
        """Remember that nothing is left to do."""
        _write(self._home / "done.json", result)

    def result(self) -> dict[str, Any]:
        """Return what was remembered at the end."""
        return _read(self._home / "done.json")


def is_intact(path: Path, record: Record) -> bool:
    """Whether the file of a part is there as it was written."""
    return path.is_file() and path.name == record.file and sha256_of(path) == record.sha256


def _difference(name: str, before: Any, now: Any) -> str:
    if name == "inputs" and isinstance(before, list):
        paths = [source["path"] for source in before]
        for source in now:
            if source["path"] in paths and source not in before:
                return f"the input {source['path']} was changed since the job began"
        return "the inputs are not those that the job began with"
    if name == "bundle":
        return "the bundle is another one than the job began with"
    if isinstance(before, dict) and isinstance(now, dict):
        name = next(key for key in now if before.get(key) != now[key])
        before, now = before.get(name), now[name]
    return f"{name.replace('_', ' ')} was {before!r} when the job began and is {now!r} now"


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with write_text(path) as stream:
        json.dump(content, stream, indent=1)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JobError(f"{path} cannot be read ({error}); --force begins the job again") from error
    return content
