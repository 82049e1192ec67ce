"""Where a job writes: what is its own, and what it must not touch."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from spam_edge.atomic import remove_partials
from spam_edge.batch.inputs import Input, is_glob
from spam_edge.errors import JobError
from spam_edge.records import display_name

LOCK = "lock"
_HOME = ".spam-edge"
_OWN = re.compile(r"\.?part-\d{5,}-.*|rejects\.jsonl|\.rejects\.jsonl\..*\.partial")
_LONGEST_STEM = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The files of a job.

    Attributes:
        output: the folder, or the single file.
        single: whether it is a single file.
        format: one of ``FORMATS``.
        report: a file that may lie in the output folder, too.
    """

    output: Path
    single: bool
    format: str
    report: Path | None = None

    @property
    def home(self) -> Path:
        """Hidden folder of the job file and the records: in the output folder, or beside the single file."""
        return self.output.parent / f".{self.output.name}{_HOME}" if self.single else self.output / _HOME

    @property
    def rejects(self) -> Path:
        """Where rows that could not be read are listed."""
        if self.single:
            return self.output.with_name(f"{self.output.name}.rejects.jsonl")
        return self.output / "rejects.jsonl"

    def part(self, number: int, stem: str) -> Path:
        """Path of a finished part."""
        folder = self.home if self.single else self.output
        return folder / f"part-{number:05}-{stem[:_LONGEST_STEM]}.{self.format}"

    def check_inputs(self, named: Sequence[Path], inputs: Sequence[Input]) -> None:
        """Refuse to write where one of the inputs is or, the next time, would be.

        Raises:
            JobError: the output would be read as input.
        """
        output = self.output.resolve()
        sample = output if self.single else output / f"part-00000-x.{self.format}"
        for source in inputs:
            path = source.path.resolve()
            if path == output or (not self.single and path.is_relative_to(output)):
                raise JobError(
                    f"{display_name(self.output)} is or holds the input {source.name}; name another --output"
                )
        for path in named:
            base = Path(*_fixed_parts(path)).resolve()
            inside = sample.is_relative_to(base)
            recursive = path.is_dir() or "**" in path.parts
            if inside and (recursive or (is_glob(path) and PurePath(sample).match(str(path.absolute())))):
                raise JobError(
                    f"what is written to {display_name(self.output)} would be read as input of "
                    f"{display_name(path)}; name another --output"
                )

    def check_free(self) -> None:
        """Refuse to begin where anything is, with a hint at what to do.

        Raises:
            JobError: there is a job, finished or not, or something else.
        """
        name = display_name(self.output)
        if (self.home / "job.json").is_file():
            finished = (self.home / "done.json").is_file()
            hint = "--force does it again" if finished else "--resume goes on with it, --force begins again"
            raise JobError(f"{name} holds {'a finished' if finished else 'an unfinished'} job; {hint}")
        if self.single and self.output.exists():
            raise JobError(f"{name} exists; --force replaces it")
        self.check_foreign()

    def check_foreign(self) -> None:
        """Refuse a folder with files that are not from a job.

        Raises:
            JobError: there is one.
        """
        if self.single or not self.output.is_dir():
            return
        known = {path.name for path in self._own_files()} | {_HOME}
        report = {self.report.name} if self.report and self.report.resolve().parent == self.output.resolve() else set()
        foreign = sorted(path.name for path in self.output.iterdir() if path.name not in known | report)
        if foreign:
            raise JobError(
                f"{display_name(self.output)} holds {foreign[0]!r}, which is not from a job; "
                "name an empty folder with --output"
            )

    def clear(self) -> None:
        """Remove what earlier jobs left; a single file stays until there is another to replace it."""
        if not self.single and self.output.is_dir():
            for path in self._own_files():
                path.unlink()
        self.rejects.unlink(missing_ok=True)
        for path in self.home.iterdir():
            if path.name != LOCK:
                path.unlink()

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            JobError: a folder has the name of the file or the reverse, or the folder of a single file is missing.
        """
        if self.single and not self.output.parent.is_dir():
            raise JobError(f"the folder of {display_name(self.output)} does not exist; make it")
        if self.output.exists() and self.output.is_dir() == self.single:
            wanted = "file" if self.single else "folder"
            raise JobError(f"{display_name(self.output)} is no {wanted}; name another --output")
        self.home.mkdir(parents=True, exist_ok=True)

    def clean(self) -> None:
        """Remove half-written files of a job that was killed."""
        for folder in {self.home, self.part(0, "").parent}:
            for partial in folder.glob(".part-*.partial"):
                partial.unlink(missing_ok=True)
        own = (self.rejects, self.home / "job.json", self.home / "done.json", self.output)
        for path in own if self.report is None else (*own, self.report):
            remove_partials(path)

    def remove_parts(self) -> None:
        """Remove the parts that a single file was put together from."""
        if self.single:
            for path in self.home.glob(f"part-*.{self.format}"):
                path.unlink()

    def _own_files(self) -> Iterator[Path]:
        has_job = (self.home / "job.json").is_file()
        for path in self.output.iterdir():
            if has_job and path.is_file() and _OWN.fullmatch(path.name):
                yield path


def _fixed_parts(path: Path) -> Iterator[str]:
    """Yield the parts before the first with a wildcard."""
    for part in path.absolute().parts:
        if is_glob(path) and any(sign in part for sign in "*?["):
            return
        yield part
