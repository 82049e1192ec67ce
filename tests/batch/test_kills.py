"""SIGKILL at random moments, also of resumed jobs: the output is identical to that of an uninterrupted job."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.timeouts import wait_until

from .conftest import messages, proc_fields, write_csv, write_jsonl

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for orphans in /proc"),
]
ROWS, PART_ROWS, KILLS = 6_000, 150, 7
OUTPUTS = [("out", "csv"), ("out", "parquet"), ("out.csv", "csv"), ("out.parquet", "parquet")]
CASES = [(name, kind, workers) for name, kind in OUTPUTS for workers in (1, 2)]
RUN_SPECIFIC_FIELDS = ("seconds", "rows_per_second", "parts_resumed", "output", "already_finished")


def test_cases_perform_at_least_fifty_kills() -> None:
    assert len(CASES) * KILLS >= 50


@dataclass
class Job:
    """A job that writes into a folder, with its number of kills per phase."""

    arguments: list[str]
    folder: Path
    name: str
    parts: int = 0
    kills: Counter[str] = field(default_factory=Counter)

    @property
    def home(self) -> Path:
        return self.folder / (f".{self.name}.spam-edge" if "." in self.name else f"{self.name}/.spam-edge")

    def start(self) -> "subprocess.Popen[str]":
        self.folder.mkdir(exist_ok=True)
        places = ["-o", str(self.folder / self.name), "--report", str(self.folder / "report.json")]
        command = [sys.executable, "-m", "spam_edge", "batch", "--resume", *self.arguments, *places]
        return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)

    def finish(self) -> None:
        with self.start() as process:
            _, stderr = process.communicate()
        assert process.returncode == 0, stderr

    def kill(self, moment: Callable[["subprocess.Popen[str]"], None]) -> bool:
        """Start the job and kill it at a moment; return False if it had finished."""
        with self.start() as process:
            moment(process)
            process.kill()
        wait_until(lambda: not live_processes(process.pid))  # workers exit on their own
        if process.returncode == 0:
            return False
        assert process.returncode == -signal.SIGKILL
        self.kills[self.phase()] += 1
        return True

    def phase(self) -> str:
        if not (self.home / "job.json").exists():
            return "start"
        if len(list(self.home.glob("part-*.json"))) < self.parts:
            return "parts"
        return "end" if (self.home / "done.json").exists() else "assembly"

    def wait_for_last_part(self, seconds: float, process: "subprocess.Popen[str]") -> None:
        last = self.home / f"part-{self.parts - 1:05}.json"
        while process.poll() is None and not last.exists():
            time.sleep(0.001)
        time.sleep(seconds)

    def files(self) -> dict[str, bytes]:
        """Return the contents of all files by name; files that differ between runs are blank."""
        paths = {str(path.relative_to(self.folder)): path for path in self.folder.rglob("*") if path.is_file()}
        run_specific = ("report.json", "done.json")
        return {name: b"" if name.endswith(run_specific) else path.read_bytes() for name, path in paths.items()}

    def report(self) -> dict[str, Any]:
        report = json.loads((self.folder / "report.json").read_text())
        return {name: value for name, value in report.items() if name not in RUN_SPECIFIC_FIELDS}


def live_processes(session: int) -> list[str]:
    return [
        path.name
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and (state := proc_fields(path.name))[3] == str(session) and state[0] != "Z"
    ]


def sources(folder: Path, kind: str) -> Iterator[Path]:
    """Yield two input files with bad rows in the middle and at the end."""
    for number in range(2):
        if kind == "csv":
            yield (path := write_csv(folder / f"{number}.csv", messages(ROWS // 2, number)))
        else:  # later parts use the column types of the first part
            yield (path := write_jsonl(folder / f"{number}.jsonl", [*messages(ROWS // 2, number), None]))
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[:1499], b'too,"few\xff"\n', *lines[1499:], b"{\n"]))


@pytest.mark.parametrize(("name", "kind", "workers"), CASES)
def test_job_killed_at_random_moments_resumes_to_identical_output(
    tmp_path: Path, tiny_bundle: Path, name: str, kind: str, workers: int
) -> None:
    rng = random.Random(f"{name} {kind} {workers}")
    options = ["--model", str(tiny_bundle), "--device", "cpu", "--on-error", "skip", "--format", kind, "--quiet"]
    sizes = ["--part-rows", str(PART_ROWS), "--workers", str(workers)]
    arguments = [*options, *sizes, *map(str, sources(tmp_path, kind))]
    uninterrupted = Job(arguments, tmp_path / "whole", name)
    start = time.monotonic()
    uninterrupted.finish()
    seconds = time.monotonic() - start
    expected, parts = uninterrupted.files(), json.loads((uninterrupted.folder / "report.json").read_text())["parts"]
    assert any("rejects" in path for path in expected)

    kills: Counter[str] = Counter()
    rounds = 0
    while kills.total() < KILLS or not (kills["assembly"] or name == "out"):
        job = Job(arguments, tmp_path / f"killed{rounds}", name, parts, kills)
        rounds += 1
        unfinished = True
        while unfinished and kills.total() < KILLS:
            delay = rng.uniform(0, seconds)
            unfinished = job.kill(lambda _, delay=delay: time.sleep(delay))
        if unfinished:
            unfinished = job.kill(lambda process, job=job: job.wait_for_last_part(rng.uniform(0, 0.01), process))
        if unfinished:
            job.finish()
        assert job.files() == expected
        assert job.report() == uninterrupted.report()
    print(f"{name} {kind} {workers}: a run takes {seconds:.2f} s; killed {dict(kills)} in {rounds} rounds")


def test_kill_phase_is_derived_from_journal_files(tmp_path: Path) -> None:
    job = Job([], tmp_path, "out.csv", parts=2)
    phases = [job.phase()]
    job.home.mkdir()
    for name in ("job", "part-00000", "part-00001", "done"):
        (job.home / f"{name}.json").touch()
        phases.append(job.phase())
    assert phases == ["start", "parts", "parts", "assembly", "end"]
