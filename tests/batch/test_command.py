"""``spam-edge batch`` as a subprocess."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from tests.support.memory import MIB, needs_proc, peak_of_command
from tests.support.timeouts import TIMEOUT

from .conftest import messages, write_csv

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and terminals of POSIX")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("SPAM_EDGE_MODEL", str(tiny_bundle))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    return [sys.executable, "-m", "spam_edge", "batch", "--device", "cpu"]


@pytest.fixture
def run(command: list[str]) -> Run:
    return lambda *arguments: subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)


def test_report_file_and_summary_describe_finished_job(tmp_path: Path, run: Run) -> None:
    write_csv(tmp_path / "in.csv", messages(30))
    completed = run("in.csv", "-o", "out.csv", "--report", "report.json", "--workers", "1")
    assert (completed.returncode, completed.stdout) == (0, "")
    assert re.search(r"^rows +30\n.*^parts +1$.*rows/s\n$", completed.stderr, flags=re.DOTALL | re.MULTILINE)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["rows"] == report["written"] == sum(report["labels"].values()) == 30
    assert report["spam_share"] == report["labels"]["SPAM"] / 30
    assert (report["bundle"]["name"], report["inputs"], report["schema_version"]) == ("tiny", ["in.csv"], 1)
    resumed = run("in.csv", "-o", "out.csv", "--report", "-", "--resume", "--quiet")
    assert json.loads(resumed.stdout) == report | {"already_finished": True}
    assert resumed.stderr == ""
    assert "out.csv is already finished" in run("in.csv", "-o", "out.csv", "--resume").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["no.csv", "-o", "out"], 1, "Error: no.csv does not exist; check the path"),
        (["in.csv", "-o", "in.csv"], 1, "Error: in.csv is or contains the input in.csv"),
        (["in.csv", "-o", "out", "--resume", "--force"], 2, "choose one"),
        (["in.csv", "-o", "out", "--text-column", "x"], 1, "--text-column takes one of: 'id', 'text', 'note'"),
        (["in.csv"], 2, "--output"),
        (["in.csv", "-o", "out", "--model", "nowhere"], 1, "Error: no bundle"),
    ],
)
def test_command_errors_print_message_without_traceback(
    tmp_path: Path, run: Run, arguments: list[str], code: int, message: str
) -> None:
    write_csv(tmp_path / "in.csv", ["a"])
    completed = run(*arguments)
    assert completed.returncode == code
    assert message in completed.stderr
    assert "Traceback" not in completed.stderr
    assert not (tmp_path / "out").exists()


def test_missing_pyarrow_prints_install_command(command: list[str], tmp_path: Path) -> None:
    write_csv(tmp_path / "in.csv", ["a"])
    code = "import sys; sys.modules['pyarrow'] = None; from spam_edge.cli import main; main()"
    completed = subprocess.run(
        [sys.executable, "-c", code, "batch", "in.csv", "-o", "out"], capture_output=True, text=True, check=False
    )
    assert (completed.returncode, completed.stderr) == (
        1,
        "Error: batch jobs need pyarrow; pip install 'spam-edge[batch]'\n",
    )


@pytest.mark.parametrize(
    ("signal_number", "workers"),
    [(signal.SIGINT, "1"), (signal.SIGINT, "2"), (signal.SIGTERM, "2"), (signal.SIGHUP, "1")],
)
def test_job_stopped_by_signal_can_be_resumed(
    tmp_path: Path, command: list[str], run: Run, signal_number: int, workers: str
) -> None:
    write_csv(tmp_path / "in.csv", messages(12_000))
    arguments = ["in.csv", "-o", "out", "--part-rows", "1000", "--workers", workers]
    with subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while not (tmp_path / "out" / ".spam-edge" / "part-00001.json").exists():
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, signal_number)  # a terminal and systemd also signal the workers
        _, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 128 + signal_number
    assert "--resume continues the job" in stderr
    assert "Traceback" not in stderr
    assert not list(tmp_path.rglob("*.partial"))
    completed = run(*arguments, "--resume", "--report", "-")
    assert completed.returncode == 0, completed.stderr
    report = json.loads(completed.stdout)
    assert (report["rows"], report["parts"]) == (12_000, 12)
    assert report["parts_resumed"] >= 2


def test_progress_bar_is_shown_on_terminal(tmp_path: Path, command: list[str]) -> None:
    write_csv(tmp_path / "in.csv", messages(4000))
    parent_fd, child_fd = pty.openpty()
    with subprocess.Popen([*command, "in.csv", "-o", "out", "--workers", "1"], stderr=child_fd) as process:
        os.close(child_fd)
        screen = b""
        while True:
            try:
                screen += os.read(parent_fd, 4096)
            except OSError:  # the other end was closed
                break
    os.close(parent_fd)
    assert process.returncode == 0
    assert re.search(rb"Classifying.*100%.*4,000 rows, [\d,]+ rows/s", screen, flags=re.DOTALL)


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_peak_memory_does_not_grow_with_file_size(tmp_path: Path, command: list[str], kind: str) -> None:
    peaks = []
    for rows in (10_000, 120_000):
        path = write_csv(tmp_path / f"{rows}.csv", messages(10_000) * (rows // 10_000))
        if kind == "parquet":
            options = pyarrow.csv.ParseOptions(newlines_in_values=True)
            table = pyarrow.csv.read_csv(path, parse_options=options)
            pyarrow.parquet.write_table(table, tmp_path / f"{rows}.parquet", row_group_size=10_000)
        arguments = [f"{rows}.{kind}", "-o", f"out{rows}.{kind}", "--workers", "1", "--part-rows", "5000", "--quiet"]
        peaks.append(peak_of_command([*command[3:], *arguments]))
    assert peaks[1] - peaks[0] < 20 * MIB, peaks
