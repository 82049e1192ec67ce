"""Partial files are removed on a signal, or by the next write if their process died; errors name the final file."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spam_edge.atomic import atomic_bytes, atomic_directory, atomic_file
from spam_edge.atomic.partials import remove_dead, remove_partials, written_name
from tests.support.timeouts import TIMEOUT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX")
WRITER = """
import sys, time
from pathlib import Path
from spam_edge import atomic
from spam_edge.signals import raised_signals
with raised_signals(), getattr(atomic, sys.argv[1])(Path(sys.argv[2])):
    print("ready", flush=True)
    time.sleep(600)
"""


def start_writer(kind: str, path: Path, *before: str) -> "subprocess.Popen[bytes]":
    """Start a process that writes a file or directory until it is ended."""
    process = subprocess.Popen([*before, sys.executable, "-c", WRITER, kind, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def end_writer(process: "subprocess.Popen[bytes]", number: int) -> int:
    process.send_signal(number)
    process.communicate(timeout=TIMEOUT)
    return process.returncode


@pytest.mark.parametrize("kind", ["atomic_file", "atomic_directory"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_removes_partial_files(tmp_path: Path, kind: str, number: int) -> None:
    process = start_writer(kind, tmp_path / "out")
    assert len(list(tmp_path.iterdir())) == 1
    assert end_writer(process, number) == 128 + number
    assert not list(tmp_path.iterdir())


def test_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    process = start_writer("atomic_file", tmp_path / "out", "nohup")
    process.send_signal(signal.SIGHUP)
    assert end_writer(process, signal.SIGTERM) == 128 + signal.SIGTERM


def test_next_write_removes_partials_of_dead_processes(tmp_path: Path) -> None:
    for kind, write in (("atomic_file", atomic_file), ("atomic_directory", atomic_directory)):
        path = tmp_path / kind
        alive = start_writer(kind, path)
        [live_partial] = tmp_path.glob(f".{kind}.*")
        dead = start_writer(kind, path)
        assert end_writer(dead, signal.SIGKILL) == -signal.SIGKILL
        assert len(list(tmp_path.glob(f".{kind}.*"))) == 2
        with write(path):  # type: ignore[operator]
            assert len(list(tmp_path.glob(f".{kind}.*"))) == 2
            assert live_partial.exists()
        assert list(tmp_path.glob(f".{kind}.*")) == [live_partial]
        end_writer(alive, signal.SIGTERM)


@pytest.mark.parametrize(
    "name",
    ["notes", ".out.partial", ".out.abcd012.partial", ".other.abcd0123.partial", ".out.ABCD0123.partial"],
)
def test_files_with_other_names_are_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    remove_partials(tmp_path / "out")
    assert (tmp_path / name).exists()
    assert written_name(name) != "out"


def test_cleanup_never_follows_symlinks(tmp_path: Path) -> None:
    for kind in ("file", "folder"):
        target = tmp_path / kind
        target.touch() if kind == "file" else target.mkdir()
        link = tmp_path / f".out.{kind:0<8}.partial"
        link.symlink_to(target)
        assert written_name(link.name) == "out"
        remove_dead(link)
        assert target.exists()
        assert link.is_symlink()


@pytest.mark.parametrize("write", [atomic_file, atomic_bytes])
def test_symlink_is_replaced_without_follow_link(tmp_path: Path, write: Any) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with write(tmp_path / "link", follow_link=False):
        pass
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "old"


@pytest.mark.parametrize("size", [100, 100_000])
def test_write_error_names_target_file(tmp_path: Path, size: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with (
            pytest.raises(OSError, match=r"File too large: '.*/out\.txt'") as error,
            atomic_file(tmp_path / "out.txt") as stream,
        ):
            stream.write("x" * size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert error.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


def test_unrelated_error_keeps_own_path(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"), atomic_file(tmp_path / "out"):
        (tmp_path / "nowhere").read_text()
    with pytest.raises(FileNotFoundError, match="no/out"), atomic_file(tmp_path / "no" / "out"):
        pass
