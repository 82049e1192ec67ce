"""The output of a job: its own files, and checks against overwriting others."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from spam_edge.atomic.partials import remove_dead, remove_partials, written_name
from spam_edge.batch.folder import check_only, check_real_folder, remove
from spam_edge.batch.journal import Journal
from spam_edge.batch.names import DONE, HOME, JOB, LOCK, PART, part_name, record_name
from spam_edge.batch.reading.inputs import Input, is_glob
from spam_edge.errors import JobError
from spam_edge.readers.windows import display_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Paths of the output of a job.

    Attributes:
        output: the output folder or file.
        single: whether the output is a single file.
        format: one of ``FORMATS``.
        report: report file, allowed inside the output folder.
    """

    output: Path
    single: bool
    format: str
    report: Path | None = None

    @property
    def home(self) -> Path:
        """Hidden folder of the journal: in the output folder, or beside a single output file."""
        return self.output.parent / f".{self.output.name}{HOME}" if self.single else self.output / HOME

    @property
    def journal(self) -> Journal:
        """The journal of the job that wrote or writes this output."""
        return Journal(self.home)

    @property
    def folder(self) -> Path:
        """Folder of the parts."""
        return self.home if self.single else self.output

    @property
    def rejects(self) -> Path:
        """Path of the list of bad rows."""
        if self.single:
            return self.output.with_name(f"{self.output.name}.rejects.jsonl")
        return self.output / "rejects.jsonl"

    def part(self, number: int, stem: str) -> Path:
        """Path of a finished part."""
        return self.folder / part_name(number, stem, self.format)

    def check_inputs(self, named: Sequence[Path], inputs: Sequence[Input]) -> None:
        """Check that the output is no input of this run or the next.

        Raises:
            JobError: the output is, holds or would be matched as an input.
        """
        output = self.output.resolve()
        sample = output if self.single else output / f"part-00000-x.{self.format}"
        for source in inputs:
            path = source.path.resolve()
            if _is_same(path, output) or (not self.single and path.is_relative_to(output)):
                raise JobError(
                    f"{display_name(self.output)} is or contains the input {source.name}; name another --output"
                )
        for path in named:
            base = Path(*_fixed_parts(path)).resolve()
            inside = sample.is_relative_to(base)
            recursive = path.is_dir() or "**" in path.parts
            if inside and (recursive or (is_glob(path) and PurePath(sample).match(str(path.absolute())))):
                raise JobError(
                    f"files written to {display_name(self.output)} would be read as input of "
                    f"{display_name(path)}; name another --output"
                )

    def check_report(self, inputs: Sequence[Input], bundle: Path) -> None:
        """Check that the report replaces no other file of this job, no input and nothing in the bundle.

        Raises:
            JobError: it would, or it is or needs a folder.
        """
        if self.report is None:
            return
        report, name = self.report.resolve(), display_name(self.report)
        is_inside = not self.single and report.parent == self.output.resolve()
        if report.is_dir() or not (is_inside or report.parent.is_dir()):
            raise JobError(f"the report {name} is a folder, or its folder does not exist; name a file elsewhere")
        taken = {"an input": [source.path for source in inputs], "the list of bad rows": [self.rejects]}
        if self.single:
            taken["the output"] = [self.output]
        for what, paths in taken.items():
            if any(_is_same(report, path.resolve()) for path in paths):
                raise JobError(f"the report {name} is {what}, too; name another --report")
        is_part = report.parent == self.folder.resolve() and report.name.startswith(PART)
        if is_part or any(report.is_relative_to(folder.resolve()) for folder in (self.home, bundle)):
            raise JobError(f"the report {name} would replace a file of the job or of the bundle; name another --report")

    def check_free(self) -> None:
        """Check that the output does not exist yet.

        Raises:
            JobError: the output exists; the message names ``--resume`` or ``--force`` where they apply.
        """
        name = display_name(self.output)
        if self.journal.exists:
            finished = self.journal.finished
            hint = "--force repeats it" if finished else "--resume continues it, --force starts over"
            raise JobError(f"{name} holds {'a finished' if finished else 'an unfinished'} job; {hint}")
        if self.single and (self.output.exists() or self.output.is_symlink()):
            raise JobError(f"{name} exists; --force replaces it")
        self.check_foreign()

    def check_foreign(self) -> None:
        """Check that the hidden folder, an output folder and the place of the reject list hold only files of a job.

        Raises:
            JobError: something is not from a job.
        """
        files, rejects = self.journal.files, self.journal.has_rejects
        if self.home.is_dir():
            home = self._own_in_home(files) | self._partials(self.home, {JOB, DONE, *files})
            check_only(self.home, home, remedy="move it away or name another --output")
        if self.single:
            if not rejects and (self.rejects.exists() or self.rejects.is_symlink()):
                raise JobError(f"{display_name(self.rejects)} is not from a job; move it away or name another --output")
        elif self.output.is_dir():
            known = files | ({self.rejects.name} if rejects else set())
            if self.report and self.report.resolve().parent == self.output.resolve():
                known |= {self.report.name}
            known |= self._partials(self.output, known)
            check_only(self.output, known, remedy="name an empty folder with --output", folders={HOME})

    def clear(self) -> None:
        """Remove the files of an earlier job; a single output file stays until it is replaced.

        The job file goes last: until then a killed removal can be repeated.
        """
        files = self.journal.files
        if self.journal.has_rejects:
            remove(self.rejects.parent.resolve(), [self.rejects.name])
        remove(self.home if self.single else self.output.resolve(), sorted(files))
        remove(self.home, [*self.journal.records, DONE, JOB])

    def check_home(self) -> None:
        """Check that the hidden folder is no link.

        Raises:
            JobError: it is one, or no folder.
        """
        check_real_folder(self.home)

    def prepare(self) -> None:
        """Create the folders.

        Raises:
            JobError: the output is a folder where a file is needed or the reverse, its parent does not exist, or a
                folder cannot be created.
        """
        if self.single and not self.output.parent.is_dir():
            raise JobError(f"the folder of {display_name(self.output)} does not exist; create it")
        if self.output.exists() and self.output.is_dir() == self.single:
            wanted = "file" if self.single else "folder"
            raise JobError(f"{display_name(self.output)} is not a {wanted}; name another --output")
        try:
            self.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JobError(f"{display_name(self.home)} cannot be created ({error.strerror}); fix this") from error
        self.check_home()

    def clean(self) -> None:
        """Remove partial files of a killed job."""
        files = self.journal.files
        for folder, names in ((self.home, self._own_in_home(files)), (self.folder, files)):
            for partial in self._partials(folder, names | {JOB, DONE}):
                remove_dead(folder / partial)
        for path in (self.rejects, self.output) if self.report is None else (self.rejects, self.output, self.report):
            if path.parent.is_dir():
                remove_partials(path)

    def remove_parts(self) -> None:
        """Remove the parts after a single output file was assembled."""
        if self.single:
            remove(self.home, sorted(self.journal.files))

    def _own_in_home(self, files: set[str]) -> set[str]:
        if not self.journal.exists:
            return {LOCK}
        return {LOCK, JOB, DONE, *self.journal.records} | (files if self.single else set())

    def _partials(self, folder: Path, names: set[str]) -> set[str]:
        """Return the partials in a folder of files with these names, and of the records of parts."""
        known = names | set(self.journal.records) | {record_name(self.journal.next_number)}
        return {name for name in os.listdir(folder) if written_name(name) in known}  # noqa: PTH208 - names only


def _is_same(path: Path, other: Path) -> bool:
    """Whether two resolved paths are one file, also by hard links."""
    return path == other or (path.exists() and other.exists() and path.samefile(other))


def _fixed_parts(path: Path) -> Iterator[str]:
    """Yield the path components before the first wildcard."""
    for part in path.absolute().parts:
        if is_glob(path) and any(sign in part for sign in "*?["):
            return
        yield part
