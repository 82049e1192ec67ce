"""The journal of a job, for resuming: the job file and a record of each finished part."""

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spam_edge.batch.folder import is_regular, open_file, open_lock
from spam_edge.batch.names import DONE, JOB, LOCK, is_part_name, part_name, record_name, record_number
from spam_edge.batch.records import PartRecord
from spam_edge.batch.report import BatchReport
from spam_edge.batch.writing.files import write_text
from spam_edge.bundle.checks import entries, load_json, parse_json, shown
from spam_edge.errors import JobError
from spam_edge.readers.windows import display_name

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SCHEMA_VERSION = 1
_HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES)
"""Errors of ``flock`` if another process holds the lock."""


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
            number = self.next_number
            unrecorded = [part_name(number, stem, job["format"]) for stem in job["stems"]]
            names |= {name for name in unrecorded if is_part_name(name, number)}
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
            return PartRecord.parse(_read(path), number)

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
