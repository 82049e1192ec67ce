"""A job follows no symbolic links and removes only its own files."""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path

import pytest

from spam_edge.batch.folder import remove
from spam_edge.batch.job import Progress
from spam_edge.batch.journal import Journal
from spam_edge.errors import InputError, JobError

from .conftest import RunJob, contents, messages, write_csv

pytestmark = pytest.mark.skipif(os.name != "posix", reason="symbolic links")
OUTPUTS = ["out", "out.csv"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "in.csv", messages(4))


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """Return a folder that no job wrote, with file names that jobs also use."""
    folder = tmp_path / "precious"
    folder.mkdir()
    for name in ("thesis.txt", "lock", "job.json", "part-00000.json", "part-00000-in.csv", "rejects.jsonl"):
        (folder / name).write_text("precious")
    return folder


def journal_folder(output: Path) -> Path:
    return output.with_name(f".{output.name}.spam-edge") if output.suffix else output / ".spam-edge"


def is_untouched(folder: Path) -> bool:
    return len(list(folder.iterdir())) == 6 and all(path.read_text() == "precious" for path in folder.iterdir())


def leave_unfinished_job(source: Path, output: Path, run_job: RunJob) -> None:
    """Run a job that writes parts until it stops at a bad third row."""
    lines = source.read_text().splitlines(keepends=True)
    source.write_text("".join([*lines[:3], "too,few\n", *lines[3:]]))
    with pytest.raises(InputError, match="2 fields"):
        run_job(source, output=output, part_rows=1)
    assert Journal(journal_folder(output)).records


@pytest.mark.parametrize("stem", ["a/x", "../x", "a\0b", "\ud800", 5, "/x"])
@pytest.mark.parametrize("options", [{"force": True}, {"resume": True}])
def test_tampered_job_file_leads_to_no_file_outside_its_folder(
    tmp_path: Path, source: Path, run_job: RunJob, stem: object, options: dict[str, bool]
) -> None:
    output = tmp_path / "out.csv"
    run_job(source, output=output)
    journal = journal_folder(output)
    job = json.loads((journal / "job.json").read_text())
    (journal / "job.json").write_text(json.dumps(job | {"stems": [stem]}))
    victim = tmp_path / "victim"
    victim.mkdir()
    for name in ("x.csv", "part-00001-a.csv"):
        (victim / name).write_text("precious")
    (journal / "part-00001-a").symlink_to(victim)
    with suppress(JobError):
        run_job(source, output=output, **options)
    assert {path.read_text() for path in victim.iterdir()} == {"precious"}
    with pytest.raises(JobError, match="is no file of"):
        remove(journal, ["part-00001-a/x.csv"])


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("options", [{}, {"force": True}, {"resume": True}])
def test_symlinked_journal_folder_is_refused(  # noqa: PLR0917
    tmp_path: Path, source: Path, precious: Path, run_job: RunJob, name: str, options: dict[str, bool]
) -> None:
    journal = journal_folder(tmp_path / name)
    journal.parent.mkdir(exist_ok=True)
    journal.symlink_to(precious)
    with pytest.raises(JobError, match=r"spam-edge is a symbolic link, which a job does not follow; remove it"):
        run_job(source, output=tmp_path / name, **options)
    assert is_untouched(precious)


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("entry", ["lock", "job.json", "part-00000.json", "done.json", "part-00000-in.csv"])
@pytest.mark.parametrize("options", [{}, {"force": True}, {"resume": True}])
def test_symlink_in_journal_folder_is_refused(  # noqa: PLR0917
    tmp_path: Path, source: Path, precious: Path, run_job: RunJob, name: str, entry: str, options: dict[str, bool]
) -> None:
    journal = journal_folder(tmp_path / name)
    journal.mkdir(parents=True)
    (journal / entry).symlink_to(precious / "thesis.txt")
    with pytest.raises(JobError, match=rf"{entry}.*(is not a regular file|is not from a job|cannot be opened)"):
        run_job(source, output=tmp_path / name, **options)
    assert is_untouched(precious)


@pytest.mark.parametrize("name", OUTPUTS)
def test_symlinked_part_is_replaced_without_following_link(
    tmp_path: Path, source: Path, precious: Path, run_job: RunJob, name: str
) -> None:
    """One link is in place of a finished part, the other where the next part will be."""
    output = tmp_path / name
    whole = tmp_path / "whole"
    whole.mkdir()
    run_job(source, output=whole / name, part_rows=1)

    def interrupt(progress: Progress) -> None:
        if progress.rows == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(source, output=output, part_rows=1, progress=interrupt)
    journal = Journal(journal_folder(output))
    assert 0 < journal.next_number < 4
    folder = journal_folder(output) if output.suffix else output
    for number in (0, journal.next_number):
        part = folder / f"part-{number:05}-in.csv"
        part.unlink(missing_ok=True)
        part.symlink_to(precious / "thesis.txt")
    run_job(source, output=output, part_rows=1, resume=True)
    assert is_untouched(precious)
    assert contents(output) == contents(whole / name)
    assert [path for path in folder.iterdir() if path.is_symlink()] == []


@pytest.mark.parametrize("options", [{}, {"force": True}])
def test_symlinked_output_is_replaced_only_with_force(
    tmp_path: Path, source: Path, precious: Path, run_job: RunJob, options: dict[str, bool]
) -> None:
    for target in ("thesis.txt", "missing"):
        output = tmp_path / f"{target}.csv"
        output.symlink_to(precious / target)
        if options:
            run_job(source, output=output, **options)
            assert not output.is_symlink()
        else:
            with pytest.raises(JobError, match="exists; --force replaces it"):
                run_job(source, output=output)
        assert is_untouched(precious)


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("force", [True, False])
def test_foreign_file_in_journal_folder_is_refused_and_kept(
    tmp_path: Path, source: Path, run_job: RunJob, name: str, force: bool
) -> None:
    output = tmp_path / name
    if force:
        run_job(source, output=output)
    foreign = journal_folder(output) / "part-00009-thesis.csv"
    foreign.parent.mkdir(parents=True, exist_ok=True)
    foreign.write_text("precious")
    with pytest.raises(JobError, match=r"spam-edge holds 'part-00009-thesis.csv', which is not from a job; move it"):
        run_job(source, output=output, force=force)
    assert foreign.read_text() == "precious"


def test_foreign_part_in_output_folder_is_refused_and_kept(tmp_path: Path, source: Path, run_job: RunJob) -> None:
    run_job(source, output=tmp_path / "out", part_rows=1)
    foreign = tmp_path / "out" / "part-00002-thesis.csv"
    foreign.write_text("precious")
    with pytest.raises(JobError, match=r"out holds 'part-00002-thesis.csv', which is not from a job"):
        run_job(source, output=tmp_path / "out", force=True)
    assert run_job(source, output=tmp_path / "out", part_rows=1, resume=True).already_finished
    assert foreign.read_text() == "precious"


@pytest.mark.parametrize("force", [True, False])
def test_foreign_reject_file_is_refused_and_kept(tmp_path: Path, source: Path, run_job: RunJob, force: bool) -> None:
    rejects = tmp_path / "out.csv.rejects.jsonl"
    if force:
        run_job(source, output=tmp_path / "out.csv")
    rejects.write_text("precious")
    with pytest.raises(JobError, match=r"out\.csv\.rejects\.jsonl is not from a job; move it away"):
        run_job(source, output=tmp_path / "out.csv", force=force)
    assert rejects.read_text() == "precious"


@pytest.mark.parametrize("name", OUTPUTS)
def test_force_removes_all_files_of_earlier_job(tmp_path: Path, source: Path, run_job: RunJob, name: str) -> None:
    with source.open("a") as stream:
        stream.write("too,few\n")
    run_job(source, output=tmp_path / name, part_rows=1, on_error="skip")
    journal = journal_folder(tmp_path / name)
    (journal / "done.json").unlink()
    following = 4 if name == "out" else 5
    for partial in (f".part-0000{following}.json.abcd0123.partial", ".job.json.abcd0123.partial"):
        (journal / partial).touch()
    if name == "out":  # simulates a kill before the last part was recorded
        (journal / "part-00004.json").unlink()
        (tmp_path / "out" / "rejects.jsonl").unlink()
    write_csv(source, messages(1))
    run_job(source, output=tmp_path / name, force=True)
    (tmp_path / "fresh").mkdir()
    run_job(source, output=tmp_path / "fresh" / name)
    assert contents(tmp_path / name) == contents(tmp_path / "fresh" / name)
    assert set(os.listdir(journal)) == set(os.listdir(journal_folder(tmp_path / "fresh" / name)))  # noqa: PTH208


@pytest.mark.parametrize("file", ["../precious/thesis.txt", "part-00000-/../../precious/thesis.txt", "thesis.txt"])
def test_record_cannot_name_file_outside_output(
    tmp_path: Path, source: Path, precious: Path, run_job: RunJob, file: str
) -> None:
    run_job(source, output=tmp_path / "out")
    record = tmp_path / "out" / ".spam-edge" / "part-00000.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"file": file}))
    with pytest.raises(JobError, match=r"out holds 'part-00000-in.csv'|cannot be read"):
        run_job(source, output=tmp_path / "out", force=True)
    assert is_untouched(precious)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"counts": 1}', '{"counts": {"x": 1}}', "[" * 100_000, "\xff"])
def test_unreadable_part_record_stops_resume(tmp_path: Path, source: Path, run_job: RunJob, content: str) -> None:
    leave_unfinished_job(source, tmp_path / "out", run_job)
    (tmp_path / "out" / ".spam-edge" / "part-00000.json").write_text(content, encoding="latin-1")
    with pytest.raises(JobError, match=r"part-00000\.json cannot be read .*; --force starts over"):
        run_job(source, output=tmp_path / "out", part_rows=1, resume=True)


def test_unreadable_job_file_requires_force(tmp_path: Path, source: Path, run_job: RunJob) -> None:
    run_job(source, output=tmp_path / "out")
    (tmp_path / "out" / ".spam-edge" / "job.json").write_text("[]")
    with pytest.raises(JobError, match=r"job\.json cannot be read \(the job must be an object, .*\); --force"):
        run_job(source, output=tmp_path / "out", resume=True)
    assert run_job(source, output=tmp_path / "out", force=True).rows == 4


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOLCK, r"lock cannot be locked \(No locks available\); name an --output on a file system with locks"),
        (errno.ENOSYS, r"cannot be locked \(Function not implemented\)"),
        (errno.EAGAIN, "another job is writing this output"),
        (errno.EACCES, "another job is writing this output"),
    ],
)
def test_lock_failure_reason_is_reported(  # noqa: PLR0917
    tmp_path: Path, source: Path, run_job: RunJob, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(JobError, match=reason):
        run_job(source, output=tmp_path / "out")
