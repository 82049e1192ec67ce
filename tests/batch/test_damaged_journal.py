"""Damaged journals: a resumed job raises an error of the package or writes the correct output."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from spam_edge import SpamEdgeError
from spam_edge.batch.journal import Journal
from spam_edge.batch.report import BatchReport
from spam_edge.errors import JobError
from tests.support.controls import CONTROLS
from tests.support.mutations import contents

from .conftest import RunJob, messages, write_csv

NAMES = ("job.json", "part-00000.json", "part-00001.json", "done.json")
JOB_OPTIONS = {"part_rows": 2, "on_error": "skip"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Callable[[], Path]:
    """Return a function that makes a fresh copy of a finished job with a bad row."""
    from spam_edge.batch import BatchJob

    from .conftest import OPTIONS

    folder = tmp_path_factory.mktemp("finished")
    with write_csv(folder / "in.csv", messages(4)).open("a") as stream:
        stream.write("too,few\n")
    options: dict[str, Any] = {"bundle": tiny_bundle, "runtime": OPTIONS, "workers": 1} | JOB_OPTIONS
    BatchJob(inputs=[folder / "in.csv"], output=folder / "whole", **options).run()

    def copy() -> Path:
        shutil.rmtree(folder / "out", ignore_errors=True)
        return Path(shutil.copytree(folder / "whole", folder / "out"))

    return copy


def output_files(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sampled_from(NAMES), st.data())
def test_resume_with_damaged_journal_raises_package_error_or_completes(
    finished: Callable[[], Path], run_job: RunJob, name: str, data: st.DataObject
) -> None:
    output = finished()
    expected = output_files(output)
    damaged = output / ".spam-edge" / name
    damaged.write_bytes(data.draw(contents(json.loads(damaged.read_bytes()))))
    if name != "done.json":
        (output / ".spam-edge" / "done.json").unlink()
    with suppress(SpamEdgeError):
        report = run_job(output.parent / "in.csv", output=output, resume=True, **JOB_OPTIONS)
        "\n".join(report.lines())
        json.dumps(report.to_dict(), allow_nan=False)
        assert {**output_files(output), "rejects.jsonl": b""} == {**expected, "rejects.jsonl": b""}


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sampled_from(NAMES), st.data())
def test_damaged_record_error_suggests_force(
    finished: Callable[[], Path], tmp_path: Path, name: str, data: st.DataObject
) -> None:
    content = data.draw(contents(json.loads((finished() / ".spam-edge" / name).read_bytes())))
    (tmp_path / name).write_bytes(content)
    journal = Journal(tmp_path)
    read: dict[str, Callable[[], object]] = {
        "job.json": lambda: journal.check({"inputs": [{"path": "a", "bytes": 1}], "bundle": {"name": "x"}}),
        "part-00000.json": lambda: journal.part(0),
        "part-00001.json": lambda: journal.part(1),
        "done.json": lambda: "\n".join(journal.result().lines()),
    }
    try:
        read[name]()
    except JobError as error:
        message = str(error)
    else:
        reject()  # the damage is not noticeable
    assert "--force starts over" in message
    assert not CONTROLS.search(message)


def test_report_round_trips_through_journal(finished: Callable[[], Path]) -> None:
    values = json.loads((finished() / ".spam-edge" / "done.json").read_bytes())
    assert BatchReport.from_dict(values).to_dict() == values


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"counts": {}}, r"part-00000\.json cannot be read \(the field counts\.rows is missing\)"),
        ({"first_row": "2"}, r"first_row must be a whole number .*, not '2'"),
        ({"rejects": [1]}, r"rejects must be an object, not 1"),
        ({"more": 1}, r"the field more is unknown"),
    ],
)
def test_invalid_record_error_names_field(finished: Callable[[], Path], change: dict[str, Any], reason: str) -> None:
    journal_folder = finished() / ".spam-edge"
    path = journal_folder / "part-00000.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))
    with pytest.raises(JobError, match=reason):
        Journal(journal_folder).part(0)


def test_invalid_utf8_file_names_round_trip_through_journal(tmp_path: Path) -> None:
    name = "\udcff"
    job = {"inputs": [{"path": f"/in/{name}.csv", "bytes": 1}], "format": "csv"}
    journal = Journal(tmp_path)
    journal.begin(job, [name])
    journal.check(job)
    assert journal.files == {f"part-00000-{name}.csv"}
