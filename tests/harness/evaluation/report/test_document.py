"""Test that invalid evaluation files are rejected and nothing is written."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.evaluation.report import page


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read as JSON"),
        ("[]", "not a JSON object"),
        ('{"schema_version": 1}', "schema_version 1, not 2"),
        ('{"schema_version": 2, "corpus": {}}', "lacks systems"),
    ],
)
def test_invalid_evaluation_file_is_one_line_error(content: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    result = CliRunner().invoke(page.main, [str(path)])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert str(path) in result.stderr
    assert not (tmp_path / "index.html").exists()
