"""Options of a batch job."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spam_edge.errors import OptionError
from spam_edge.options import RuntimeOptions
from spam_edge.readers.windows import ReadOptions

ON_ERROR = ("fail", "skip", "null")
PART_ROWS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """Options of a batch job.

    Attributes:
        inputs: files, folders and globs.
        output: a file if its suffix names a format, else a folder.
        bundle: path of the bundle, as in :meth:`SpamClassifier.load`.
        runtime: runtime options of the workers; the default is one thread per worker when there are several.
        reading: how inputs are read.
        output_format: format of the parts in a folder; by default that of the first input.
        column_prefix: prefix of the names of the three added columns.
        part_rows: maximum rows per part, at least 1.
        on_error: at a bad row ``fail``, ``skip`` it, or keep it with ``null`` verdicts.
        workers: number of workers, at least 1; by default as many as cores and memory allow.
        resume: continue an unfinished job, or start a new one if there is none.
        force: replace the output of an earlier job.
        report: report file, allowed inside the output folder.
        spreadsheet_safe: put an apostrophe before CSV and TSV cells that a spreadsheet could run as a formula.
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
    spreadsheet_safe: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.inputs, str) or not self.inputs:
            raise OptionError("inputs must be a sequence of at least one path")
        for name in ("part_rows", "workers"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise OptionError(f"{name} must be an integer of at least 1, not {value!r}")
        if self.on_error not in ON_ERROR:
            raise OptionError(f"on_error must be one of {', '.join(ON_ERROR)}, not {self.on_error!r}")
        for path in (*self.inputs, self.output):
            _check_path(path)
        if self.resume and self.force:
            raise OptionError("resume continues a job and force replaces it: choose one")


def _check_path(path: object) -> None:
    try:
        encoded = os.fsencode(path)  # type: ignore[arg-type]  # what it refuses
    except (TypeError, UnicodeEncodeError) as error:
        raise OptionError(f"{path!r} is no path ({error}); correct it") from error
    if b"\0" in encoded:
        raise OptionError(f"{path!r} is no path (it has a NUL character); correct it")
