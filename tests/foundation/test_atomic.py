"""Atomic writes: a failed or killed write never leaves a partial file or directory under the final name."""

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spam_edge.atomic import atomic_directory, atomic_file, restore_directory


def test_file_appears_only_after_complete_write(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with atomic_file(path) as stream:
        stream.write("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.txt"]


def test_failed_write_keeps_previous_file(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as stream:
        stream.write("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.txt"]


def test_permissions_follow_umask_or_previous_file(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    mask = os.umask(0o027)
    try:
        with atomic_file(path):
            pass
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o600)
        with atomic_file(path):
            pass
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(mask)


def test_write_to_symlink_replaces_target_content(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to("real.txt")
    with atomic_file(link) as stream:
        stream.write("new")
    assert link.is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_device_file_is_written_and_not_replaced() -> None:
    with atomic_file(Path(os.devnull)) as stream:
        stream.write("gone")
    assert not Path(os.devnull).is_file()


def test_directory_write_replaces_whole_directory(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "old").touch()
    with atomic_directory(path) as folder:
        (folder / "new").touch()
        assert [entry.name for entry in path.iterdir()] == ["old"]
    assert [entry.name for entry in path.iterdir()] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]


def test_failed_directory_write_keeps_previous_directory(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(RuntimeError), atomic_directory(path) as folder:
        (folder / "new").touch()
        raise RuntimeError
    assert [entry.name for entry in path.iterdir()] == ["old"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]


def test_directory_is_restored_after_interrupted_replacement(tmp_path: Path) -> None:
    (tmp_path / ".bundle.previous").mkdir()
    (tmp_path / ".bundle.previous" / "old").touch()
    restore_directory(tmp_path / "bundle")
    assert (tmp_path / "bundle" / "old").exists()


def test_sigkill_during_write_keeps_previous_directory(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "old").touch()
    code = (
        "import sys, time; from pathlib import Path; from spam_edge.atomic import atomic_directory\n"
        "with atomic_directory(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'new').touch(); print('ready', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(0.01)
    assert [entry.name for entry in path.iterdir()] == ["old"]


def test_full_disk_error_names_target_directory(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"No space left on device: '.*/target'"), atomic_directory(tmp_path / "target"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="requires /dev/full")
def test_full_device_error_names_file() -> None:
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"), atomic_file(Path("/dev/full")) as stream:
        stream.write("a")
