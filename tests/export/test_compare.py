"""``python -m export.compare`` on the tiny bundle and its checkpoint."""

from pathlib import Path

from click.testing import CliRunner, Result

from export.compare import main


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_a_line_for_each_set_of_messages(tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.tsv"
    mine.write_text("spam\tWINNER!! Call 0906 to claim your prize\nham\tsee you at 5 then\n", encoding="utf-8")
    done = _run("--checkpoint", tiny_checkpoint, "--bundle", tiny_bundle, "--variant", "fp32", mine)
    assert done.exit_code == 0, done.output
    _, test, other = done.stdout.splitlines()
    assert test.split()[:3] == ["test", "split", "80"]
    assert other.split() == [f"{tmp_path.name}/mine.tsv", "2", "0.0000", "0.000000", "0", "1.0000", "1.0000"]


def test_another_checkpoint_is_seen(tiny_checkpoint: Path, bundle_copy: Path, tmp_path: Path) -> None:
    done = _run("--checkpoint", tmp_path / "nowhere", "--bundle", bundle_copy)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
