"""The thread budget follows affinity and cgroup quota, and idle threads sleep.

The cgroup files are fake; affinity, processes and CPU time are real.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spam_edge import resources

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put this process into the cgroup /outer/inner of a fake cgroup file system; return its root."""
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "self").write_text("0::/outer/inner\n")
    monkeypatch.setattr(resources, "_CGROUP_ROOT", tmp_path)
    monkeypatch.setattr(resources, "_CGROUP_OF_SELF", tmp_path / "self")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    return tmp_path


@pytest.mark.parametrize(
    ("quota", "expected"), [("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("max 100000", 8)]
)
def test_thread_budget_follows_cgroup_quota(
    cgroup: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    (cgroup / "outer" / "inner" / "cpu.max").write_text(quota)
    assert resources.available_threads() == expected


def test_tightest_quota_among_parent_cgroups_applies(cgroup: Path) -> None:
    (cgroup / "outer" / "inner" / "cpu.max").write_text("max 100000")
    (cgroup / "outer" / "cpu.max").write_text("300000 100000")
    assert resources.available_threads() == 3


def test_unreadable_quota_is_ignored(cgroup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    (cgroup / "outer" / "cpu.max").write_text("nonsense")
    assert resources.available_threads() == 8


@pytest.mark.parametrize("lines", ["", "4:cpu,cpuacct:/outer/inner\n", "0::/elsewhere\n", "0::/../..\n", "nonsense"])
def test_affinity_applies_without_cgroup_v2(cgroup: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    (cgroup / "outer" / "inner" / "cpu.max").write_text("100000 100000")
    (cgroup / "self").write_text(lines)
    assert resources.available_threads() == 8
    (cgroup / "self").unlink()
    assert resources.available_threads() == 8


def test_container_quota_is_read_from_cgroup_root(cgroup: Path) -> None:
    (cgroup / "self").write_text("0::/docker/0123456789ab\n")  # the host's path, not visible in the container
    (cgroup / "cpu.max").write_text("250000 100000")
    assert resources.available_threads() == 3


def test_larger_quota_does_not_exceed_affinity(cgroup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cgroup / "cpu.max").write_text("800000 100000")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert resources.available_threads() == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="requires sched_setaffinity")
def test_thread_budget_follows_real_process_affinity() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from spam_edge import resources; "
    code += "print(resources.available_threads())"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "1"


def _run_on_one_cpu(*command: str) -> str:
    if shutil.which("taskset") is None:
        pytest.skip("requires taskset")
    cpu = str(min(os.sched_getaffinity(0)))
    settings = {"RAYON_NUM_THREADS", "TOKENIZERS_PARALLELISM"}  # they override the thread pool of tokenizers
    kept = {name: value for name, value in os.environ.items() if name not in settings}
    command = ("taskset", "-c", cpu, sys.executable, *command)
    return subprocess.run(command, env=kept, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_command_on_one_cpu_uses_one_thread(tiny_bundle: Path) -> None:
    shown = _run_on_one_cpu("-m", "spam_edge", "info", "--model", str(tiny_bundle), "--device", "cpu", "--json")
    assert json.loads(shown)["threads"] == 1


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="requires /proc")
def test_one_cpu_adds_only_one_tokenizer_thread(tiny_bundle: Path) -> None:
    code = """
import os, sys, threading
from spam_edge import RuntimeOptions, SpamClassifier
classifier = SpamClassifier.load(sys.argv[1], RuntimeOptions(device="cpu"))
before = set(os.listdir("/proc/self/task"))  # some of these threads may be ending
classifier.classify_batch([f"see you at [{number}] then" for number in range(500)])
print(classifier.threads, len(set(os.listdir("/proc/self/task")) - before), threading.active_count())
"""
    assert _run_on_one_cpu("-c", code, str(tiny_bundle)).split() == ["1", "1", "1"]


def test_idle_classifier_uses_no_cpu_time(tiny_bundle: Path) -> None:
    code = """
import os, sys, time
from spam_edge import RuntimeOptions, SpamClassifier
classifier = SpamClassifier.load(sys.argv[1], RuntimeOptions(device="cpu", threads=2))
classifier.classify_batch([f"see you at [{number}] then" for number in range(500)])
began = os.times()
time.sleep(1)
ended = os.times()
print(ended.user + ended.system - began.user - began.system)
"""
    completed = subprocess.run(
        [sys.executable, "-c", code, str(tiny_bundle)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(completed.stdout) < 0.1  # CPU seconds; one spinning thread takes 1
