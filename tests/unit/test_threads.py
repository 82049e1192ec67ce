"""The thread budget follows affinity and cgroup quota. The cgroup files are made up; the affinity is real."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spam_edge import threads


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process in the cgroup /outer/inner below a made-up root; returns the root."""
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "self").write_text("0::/outer/inner\n")
    monkeypatch.setattr(threads, "_CGROUP_ROOT", tmp_path)
    monkeypatch.setattr(threads, "_CGROUP_OF_SELF", tmp_path / "self")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    return tmp_path


@pytest.mark.parametrize(
    ("quota", "expected"), [("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("max 100000", 8)]
)
def test_quota(cgroup: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    (cgroup / "outer" / "inner" / "cpu.max").write_text(quota)
    assert threads.available_threads() == expected


def test_the_tightest_quota_on_the_way_up_counts(cgroup: Path) -> None:
    (cgroup / "outer" / "inner" / "cpu.max").write_text("max 100000")
    (cgroup / "outer" / "cpu.max").write_text("300000 100000")
    assert threads.available_threads() == 3


def test_unreadable_quota_is_no_quota(cgroup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    (cgroup / "outer" / "cpu.max").write_text("nonsense")
    assert threads.available_threads() == 8


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity cannot be set here")
def test_affinity_of_a_real_process() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from spam_edge import threads; "
    code += "print(threads.available_threads())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
