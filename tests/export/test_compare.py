"""``python -m export.compare`` on the tiny bundle and its checkpoint."""

from pathlib import Path

from click.testing import CliRunner, Result

from export.compare import main


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_comparison_prints_one_row_per_message_set(tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.tsv"
    mine.write_text("spam\tWINNER!! Call 0906 to claim your prize\nham\tsee you at 5 then\n", encoding="utf-8")
    result = _run("--checkpoint", tiny_checkpoint, "--bundle", tiny_bundle, "--variant", "fp32", mine)
    assert result.exit_code == 0, result.output
    _, test, other = result.stdout.splitlines()
    assert test.split()[:3] == ["test", "split", "80"]
    assert other.split() == [f"{tmp_path.name}/mine.tsv", "2", "0.0000", "0.000000", "0", "1.0000", "1.0000"]


def test_missing_checkpoint_exits_with_error(tiny_checkpoint: Path, bundle_copy: Path, tmp_path: Path) -> None:
    result = _run("--checkpoint", tmp_path / "nowhere", "--bundle", bundle_copy)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
