"""Input discovery and refused outputs of batch jobs."""

import os
from pathlib import Path
from typing import Any

import pytest

from spam_edge.batch import BatchJob
from spam_edge.batch.reading.inputs import find_inputs
from spam_edge.errors import InputError, JobError, OptionError
from spam_edge.readers.windows import ReadOptions

from .conftest import RunJob, contents, messages, write_csv


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.csv", "a.jsonl.zst", "sub/c.PARQUET", "sub/d.tsv.gz", ".hidden.csv", ".h/e.csv", "_temporary/f.csv",
                 "g.csv.partial", "note.txt", "sub/deep/h.ndjson"):  # fmt: skip
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "data"


def input_names(*patterns: str) -> list[str]:
    return [source.name for source in find_inputs(patterns, ReadOptions())]


@pytest.mark.usefixtures("tree")
def test_folders_and_globs_are_expanded_without_duplicates() -> None:
    everything = ["a.jsonl.zst", "b.csv", "sub/c.PARQUET", "sub/d.tsv.gz", "sub/deep/h.ndjson"]
    assert input_names("data") == [f"data/{name}" for name in everything]
    assert input_names("data/b.csv", "data", "./data/*.csv")[:2] == ["data/b.csv", "data/a.jsonl.zst"]
    assert len(input_names("data/b.csv", "data", "./data/*.csv")) == 5
    assert input_names("data/**/*.gz", "data/*/c.*") == ["data/sub/d.tsv.gz", "data/sub/c.PARQUET"]
    assert input_names("data/.hidden.csv") == ["data/.hidden.csv"]  # named explicitly
    assert input_names("data/.h/..") == [f"data/.h/../{name}" for name in everything]
    formats = [source.format for source in find_inputs(["data"], ReadOptions())]
    assert formats == ["jsonl.zst", "csv", "parquet", "tsv.gz", "jsonl"]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("data/*.xml", "matches no file; check the path"),
        ("data/x.csv", "does not exist"),
        ("data/empty", "contains no file of a known format"),
        ("data/note.txt", "no format that batch reads .*--input-format"),
    ],
)
def test_patterns_without_readable_inputs_are_refused(tree: Path, pattern: str, reason: str) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(InputError, match=reason):
        input_names(pattern)


def test_input_format_option_overrides_unknown_suffix(tree: Path) -> None:
    assert [source.format for source in find_inputs([tree / "note.txt"], ReadOptions(input_format="csv"))] == ["csv"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return write_csv(tmp_path / "data" / "in.csv", messages(4))


@pytest.mark.parametrize("name", ["out", "out.csv"])
def test_finished_output_is_replaced_only_with_force(tmp_path: Path, source: Path, run_job: RunJob, name: str) -> None:
    output = tmp_path / name
    run_job(source, output=output, part_rows=1)
    before = contents(output)
    with pytest.raises(JobError, match="finished job; --force repeats it"):
        run_job(source, output=output)
    assert contents(output) == before
    write_csv(source, messages(2))
    run_job(source, output=output, force=True)
    (tmp_path / "fresh").mkdir()
    run_job(source, output=tmp_path / "fresh" / name)
    assert contents(output) == contents(tmp_path / "fresh" / name) != before


def test_foreign_output_file_is_replaced_only_with_force(tmp_path: Path, source: Path, run_job: RunJob) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(JobError, match="exists; --force replaces it"):
        run_job(source, output=tmp_path / "mine.csv")
    assert (tmp_path / "mine.csv").read_text() == "mine"
    run_job(source, output=tmp_path / "mine.csv", force=True)
    assert (tmp_path / "mine.csv").read_text().startswith("id,text")


def test_unfinished_job_requires_resume_or_force(tmp_path: Path, source: Path, run_job: RunJob) -> None:
    with source.open("a") as stream:
        stream.write("too,few\n")
    with pytest.raises(InputError):
        run_job(source, output=tmp_path / "out", part_rows=2)
    with pytest.raises(JobError, match="an unfinished job; --resume continues it, --force starts over"):
        run_job(source, output=tmp_path / "out", part_rows=2)
    assert run_job(source, output=tmp_path / "out", force=True, on_error="skip").parts_resumed == 0


def test_foreign_file_in_output_folder_is_never_removed(tmp_path: Path, source: Path, run_job: RunJob) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    for force in (False, True):
        with pytest.raises(JobError, match=r"holds 'thesis\.txt', which is not from a job"):
            run_job(source, output=tmp_path / "out", force=force)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_report_may_be_written_into_output_folder(tmp_path: Path, source: Path, run_job: RunJob) -> None:
    report = tmp_path / "out" / "report.json"
    run_job(source, output=tmp_path / "out", report=report)
    report.touch()
    run_job(source, output=tmp_path / "out", report=report, force=True)


@pytest.mark.parametrize("output", ["out", "out.csv"])
def test_report_that_would_replace_another_file_is_refused(
    tmp_path: Path, source: Path, run_job: RunJob, bundle_copy: Path, output: str
) -> None:
    run_job(source, output=tmp_path / output)
    linked = tmp_path / "linked.csv"
    linked.hardlink_to(source)
    job = "out/.spam-edge/job.json" if output == "out" else ".out.csv.spam-edge/job.json"
    part = "out/part-00000-in.csv" if output == "out" else "out.csv"
    rejects = "out/rejects.jsonl" if output == "out" else "out.csv.rejects.jsonl"
    paths = [source, linked, *(tmp_path / name for name in (job, part, rejects, "no/report.json", "data"))]
    for report in [*paths, bundle_copy / "manifest.json"]:
        before = report.read_bytes() if report.is_file() else None
        with pytest.raises(JobError, match=r"the report .* name (a file elsewhere|another)"):
            run_job(source, output=tmp_path / output, report=report, bundle=bundle_copy, force=True)
        assert (report.read_bytes() if report.is_file() else None) == before


def test_output_that_is_a_hard_link_of_an_input_is_refused(tmp_path: Path, source: Path, run_job: RunJob) -> None:
    (tmp_path / "out.csv").hardlink_to(source)
    with pytest.raises(JobError, match="is or contains the input"):
        run_job(source, output=tmp_path / "out.csv", force=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output": "a\0.csv"}, "is no path"),
        ({"output": "a\ud800.csv"}, "is no path"),
        ({"output": 5}, "is no path"),
        ({"part_rows": 2.5}, "part_rows must be an integer of at least 1, not 2.5"),
        ({"workers": "2"}, "workers must be an integer of at least 1, not '2'"),
    ],
)
def test_options_of_wrong_type_are_refused(
    tmp_path: Path, source: Path, run_job: RunJob, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        run_job(source, **{"output": tmp_path / "out.csv"} | options)


def test_standard_output_is_refused_as_output(
    tmp_path: Path, source: Path, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(JobError, match="batch does not write to standard output"):
        run_job(source, output=Path("-"))
    assert not Path("-").exists()


def test_output_name_that_is_too_long_is_one_error(tmp_path: Path, source: Path, run_job: RunJob) -> None:
    with pytest.raises(JobError, match="File name too long"):
        run_job(source, output=tmp_path / f"{'x' * 300}.csv")


@pytest.mark.skipif(os.name == "nt", reason="a separator there")
def test_input_name_with_backslash_can_be_resumed(tmp_path: Path, source: Path, run_job: RunJob) -> None:
    strange = source.rename(source.with_name("a\\b.csv"))
    run_job(strange, output=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").glob("part-*")] == ["part-00000-a_b.csv"]
    assert run_job(strange, output=tmp_path / "out", resume=True).already_finished


@pytest.mark.parametrize(
    "places",
    [
        ("data/in.csv", "data/in.csv"),
        ("data/in.csv", "data"),
        ("data", "data/out"),
        ("data", "data/out.csv"),
        ("data/**/*.csv", "data/out"),
        ("data/*.csv", "data/out.csv"),
        ("data/in.csv", "."),
        ("data", "data"),
    ],
)
def test_output_that_overlaps_inputs_is_refused(
    tmp_path: Path, source: Path, run_job: RunJob, monkeypatch: pytest.MonkeyPatch, places: tuple[str, str]
) -> None:
    inputs, output = places
    monkeypatch.chdir(tmp_path)
    before = source.read_bytes()
    with pytest.raises(JobError, match="name another --output"):
        run_job(inputs, output=Path(output), force=True)
    assert source.read_bytes() == before


def test_output_beside_input_is_accepted(
    tmp_path: Path, source: Path, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_job("data/i*.csv", output=Path("data/out.csv")).rows == 4
    assert run_job("data/in.csv", output=Path("data/parts")).rows == 4


def test_single_output_requires_same_columns_in_all_inputs(tmp_path: Path, source: Path, run_job: RunJob) -> None:
    (tmp_path / "other.csv").write_text("text\nhi\n")
    with pytest.raises(JobError, match=r"other\.csv and .*in\.csv have different columns.*; name a folder"):
        run_job(source, tmp_path / "other.csv", output=tmp_path / "out.csv")
    assert run_job(source, tmp_path / "other.csv", output=tmp_path / "out").parts == 2


def test_impossible_output_path_or_format_is_refused(tmp_path: Path, source: Path, run_job: RunJob) -> None:
    with pytest.raises(JobError, match=r"the folder of .* does not exist"):
        run_job(source, output=tmp_path / "no" / "out.csv")
    (tmp_path / "file").touch()
    with pytest.raises(JobError, match="is not a folder"):
        run_job(source, output=tmp_path / "file")
    with pytest.raises(JobError, match=r"has the suffix of csv, but --format is jsonl"):
        run_job(source, output=tmp_path / "out.csv", output_format="jsonl")


@pytest.mark.parametrize("name", ["out.json", "out.xlsx", "out.CSVS", "out.csv.bz2"])
def test_unknown_output_suffix_is_refused_unless_folder_exists(
    tmp_path: Path, source: Path, run_job: RunJob, name: str
) -> None:
    with pytest.raises(JobError, match=r"suffix of no format that batch writes \(\.parquet, \.csv, .*\.jsonl\.zst\)"):
        run_job(source, output=tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
    (tmp_path / name).mkdir()
    assert run_job(source, output=tmp_path / name).rows == 4


@pytest.mark.parametrize("name", ["out", "run-1.5", "2026.11.27", ".hidden"])
def test_output_without_format_suffix_becomes_folder(tmp_path: Path, source: Path, run_job: RunJob, name: str) -> None:
    run_job(source, output=tmp_path / name)
    assert (tmp_path / name).is_dir()


@pytest.mark.parametrize(
    "wrong", [{"inputs": "a.csv"}, {"inputs": []}, {"part_rows": 0}, {"on_error": "x"}, {"workers": 0},
              {"resume": True, "force": True}],
)  # fmt: skip
def test_invalid_job_options_raise_option_error(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=r"must be|choose one"):
        BatchJob(**{"inputs": ["a.csv"], "output": "out"} | wrong)  # type: ignore[arg-type]


def test_concurrent_job_on_same_output_is_refused(tmp_path: Path, source: Path, run_job: RunJob) -> None:
    pytest.importorskip("fcntl")

    def start_second_job(_: object) -> None:
        with pytest.raises(JobError, match="another job is writing this output"):
            run_job(source, output=tmp_path / "out", resume=True)

    assert run_job(source, output=tmp_path / "out", progress=start_second_job).rows == 4
