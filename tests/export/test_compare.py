"""``python -m export.compare`` as a subprocess, on the tiny bundle and its checkpoint."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "export.compare", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_a_line_for_each_set_of_messages(tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.tsv"
    mine.write_text("spam\tWINNER!! Call 0906 to claim your prize\nham\tsee you at 5 then\n", encoding="utf-8")
    done = _run("--checkpoint", tiny_checkpoint, "--bundle", tiny_bundle, "--variant", "fp32", mine)
    assert done.returncode == 0, done.stderr
    _, test, other = done.stdout.splitlines()
    assert test.split()[:3] == ["test", "split", "80"]
    assert other.split() == [f"{tmp_path.name}/mine.tsv", "2", "0.0000", "0.000000", "0", "1.0000", "1.0000"]


def test_another_checkpoint_is_seen(tiny_checkpoint: Path, bundle_copy: Path, tmp_path: Path) -> None:
    done = _run("--checkpoint", tmp_path / "nowhere", "--bundle", bundle_copy)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
