"""A folder shared by parallel test processes is created once and completely."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.support.parallel import once_in

PROCESSES = 2


def name_of_maker(shared: Path) -> str:
    """Create or reuse a folder whose file names its creator, and return that name."""

    def fill(folder: Path) -> None:
        name = Path(mkdtemp(dir=shared)).name
        (folder / "maker").write_text(name, encoding="utf-8")

    return (once_in(shared)("made", fill) / "maker").read_text(encoding="utf-8")


def test_concurrent_processes_share_one_folder(tmp_path: Path) -> None:
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        makers = list(pool.map(name_of_maker, [tmp_path] * 2 * PROCESSES))
    assert len(set(makers)) == 1
    # the shared folder and one created by its maker
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2


def test_folder_is_rebuilt_after_failed_attempt(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError("interrupted")

    once = once_in(tmp_path)
    with pytest.raises(ValueError, match="interrupted"):
        once("made", fail)
    assert list(once("made", lambda folder: (folder / "whole").touch()).iterdir()) == [tmp_path / "made" / "whole"]
