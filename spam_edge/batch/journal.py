"""The journal of a job, for resuming: the job file and a record of each finished part."""

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spam_edge.batch.folder import is_regular, open_file, open_lock
from spam_edge.batch.names import DONE, JOB, LOCK, is_part_name, part_name, record_name, record_number
from spam_edge.batch.report import BatchReport
from spam_edge.batch.writing.files import write_text
from spam_edge.bundle.checks import (
    Check,
    InvalidValueError,
    each,
    each_value,
    entries,
    integer,
    load_json,
    parse_json,
    record,
    shown,
    text,
)
from spam_edge.bundle.hashes import sha256_of
from spam_edge.errors import JobError
from spam_edge.readers.windows import display_name

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SCHEMA_VERSION = 1
_HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES)
"""Errors of ``flock`` if another process holds the lock."""


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


class Journal:
    """The journal, kept in the hidden folder of a job."""

    def __init__(self, home: Path) -> None:
        """Use a folder, which need not exist yet."""
        self._home = home

    @property
    def exists(self) -> bool:
        """Whether a job was started here."""
        return is_regular(self._home / JOB)

    @property
    def finished(self) -> bool:
        """Whether the job is finished."""
        return is_regular(self._home / DONE)

    @property
    def records(self) -> dict[str, int]:
        """Part numbers by the file names of their records."""
        if not self._home.is_dir():
            return {}
        numbers = {name: record_number(name) for name in os.listdir(self._home)}  # noqa: PTH208 - names only
        return {name: number for name, number in numbers.items() if number is not None}

    @property
    def next_number(self) -> int:
        """Number of the part that the job may have been writing when it died; parts are written in order."""
        return max(self.records.values(), default=-1) + 1

    @property
    def files(self) -> set[str]:
        """Names of the parts that the job wrote, including the one that it may not have come to record.

        A record that cannot be read names none.
        """
        if not self.exists:
            return set()
        names = {part.file for part in map(self._readable_part, self.records.values()) if part}
        with suppress(OSError, ValueError, KeyError, TypeError):
            job = _read(self._home / JOB, load_json)
            names |= {part_name(self.next_number, stem, job["format"]) for stem in job["stems"]}
        return names

    @property
    def has_rejects(self) -> bool:
        """Whether the job found bad rows, whose list it writes at its end."""
        return self.exists and any(part.rejects for part in map(self._readable_part, self.records.values()) if part)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder against other jobs, on systems with ``flock``.

        Raises:
            JobError: another job holds the lock, or the file system has no locks.
        """
        descriptor = self._open_lock()
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _open_lock(self) -> int:
        try:
            return open_lock(self._home, LOCK)
        except OSError as error:
            raise JobError(
                f"{display_name(self._home / LOCK)} cannot be opened ({error.strerror}); remove it or name another "
                "--output"
            ) from error

    def _lock(self, descriptor: int) -> None:
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            home = display_name(self._home)
            if error.errno in _HELD:
                raise JobError(f"another job is writing this output ({home}); wait until it ends") from error
            raise JobError(
                f"{home}/{LOCK} cannot be locked ({error.strerror}); name an --output on a file system with locks"
            ) from error

    def begin(self, job: Mapping[str, Any], stems: Sequence[str]) -> None:
        """Write the job file; ``stems`` are those of the names of its parts."""
        _write(self._home / JOB, {"schema_version": SCHEMA_VERSION, **job, "stems": sorted(set(stems))})

    def check(self, job: Mapping[str, Any]) -> None:
        """Compare a job with the one that was started here.

        Raises:
            JobError: an input, the bundle or an option that affects the output differs.
        """
        path = self._home / JOB
        with _intact(path):
            before = entries(_read(path, load_json), "the job")
        before.pop("stems", None)  # they follow from the inputs
        now = json.loads(json.dumps({"schema_version": SCHEMA_VERSION, **job}))
        for name in now | before:
            if before.get(name) != now.get(name):
                raise JobError(
                    f"cannot resume: {_difference(name, before.get(name), now.get(name))}; --force starts over"
                )

    def part(self, number: int) -> PartRecord | None:
        """Return the record of a part, or ``None`` if it is not finished."""
        path = self._home / record_name(number)
        if not is_regular(path):
            return None
        with _intact(path):
            values = record(_PART, _read(path), "", optional=frozenset())
            part = PartRecord(**values | {"counts": Counts(**values["counts"])})
            if not is_part_name(part.file, number):
                raise InvalidValueError(f"it names {shown(part.file)}")
            return part

    def add(self, number: int, part: PartRecord) -> None:
        """Record a part after its file has been renamed into place."""
        _write(self._home / record_name(number), asdict(part))

    def finish(self, result: Mapping[str, Any]) -> None:
        """Record that the job is finished."""
        _write(self._home / DONE, result)

    def result(self) -> BatchReport:
        """Return the report of the finished job.

        Raises:
            JobError: the file is damaged.
        """
        path = self._home / DONE
        with _intact(path):
            return BatchReport.from_dict(_read(path))

    def _readable_part(self, number: int) -> PartRecord | None:
        with suppress(JobError):
            return self.part(number)
        return None


def is_intact(path: Path, part: PartRecord) -> bool:
    """Whether the file of a part can be read and matches its checksum."""
    try:
        return is_regular(path) and path.name == part.file and sha256_of(path) == part.sha256
    except OSError:
        return False


def _difference(name: str, before: Any, now: Any) -> str:
    if name == "inputs" and isinstance(before, list):
        paths = [source.get("path") for source in before if isinstance(source, dict)]
        for source in now:
            if source["path"] in paths and source not in before:
                return f"the input {source['path']} changed after the job began"
        return "the inputs differ from those of the job"
    if name == "bundle":
        return "the bundle differs from that of the job"
    if isinstance(before, dict) and isinstance(now, dict):
        name = next(key for key in now | before if before.get(key) != now.get(key))
        before, now = before.get(name), now.get(name)
    return f"{name.replace('_', ' ')} was {shown(before)} when the job began and is {shown(now)} now"


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with write_text(path) as stream:
        json.dump(content, stream, indent=1)


def _read(path: Path, parse: Callable[[bytes], Any] = parse_json) -> Any:
    with open_file(path) as stream:
        return parse(stream.read())


@contextmanager
def _intact(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise JobError(f"{display_name(path)} cannot be read ({error}); --force starts over") from error


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
