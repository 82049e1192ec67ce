"""Folders that the processes of a run of the tests share are made once, and whole."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.support.parallel import once_in

PROCESSES = 2


def make(shared: Path) -> str:
    """Make a folder whose file names its maker, and return the name."""

    def fill(folder: Path) -> None:
        name = Path(mkdtemp(dir=shared)).name
        (folder / "maker").write_text(name, encoding="utf-8")

    return (once_in(shared)("made", fill) / "maker").read_text(encoding="utf-8")


def test_processes_share_what_one_has_made(tmp_path: Path) -> None:
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        makers = list(pool.map(make, [tmp_path] * 2 * PROCESSES))
    assert len(set(makers)) == 1
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2  # the folder, and that of its maker


def test_what_failed_is_made_again(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError("interrupted")

    once = once_in(tmp_path)
    with pytest.raises(ValueError, match="interrupted"):
        once("made", fail)
    assert list(once("made", lambda folder: (folder / "whole").touch()).iterdir()) == [tmp_path / "made" / "whole"]
