"""Rows for the data frameworks, with their expected verdicts."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from spam_edge import RuntimeOptions, SpamClassifier
from tests.figures.pages import PYTHON, parse_blocks

ROOT = Path(__file__).parents[2]
ROWS = 20_000
_PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
RECIPES = {
    re.findall(r"^(?:import|from) (?!pathlib)(\w+)", block.code, flags=re.MULTILINE)[0]: block.code
    for block in parse_blocks(_PAGE)
    if block.language == PYTHON
}
"""Python blocks of docs/integrations.md, keyed by the first library each imports."""

Verdict = tuple[str | None, float | None, bool | None]


@dataclass(frozen=True)
class Rows:
    """Distinct texts, some of them null, with their verdicts from ``classify_batch``."""

    texts: list[str | None]
    verdicts: list[Verdict]


@pytest.fixture(scope="session")
def rows(tiny_bundle: Path) -> Rows:
    """Return golden texts prefixed with their row number."""
    golden = [json.loads(line)["text"] for line in (tiny_bundle / "golden.jsonl").read_text("utf-8").splitlines()]
    texts = [None if n % 97 == 5 else f"{n} {golden[n % len(golden)]}" for n in range(ROWS)]
    known = [text for text in texts if text is not None]
    classifier = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu", threads=1))
    predictions = iter(classifier.classify_batch(known))
    verdicts: list[Verdict] = []
    for text in texts:
        prediction = None if text is None else next(predictions)
        verdicts.append(
            (None, None, None) if prediction is None else (prediction.label, prediction.score, prediction.truncated)
        )
    assert len({verdict[0] for verdict in verdicts}) == 3
    assert {verdict[2] for verdict in verdicts} == {None, False, True}
    return Rows(texts, verdicts)


@pytest.fixture(scope="session", autouse=True)
def _counted(load_files: Path) -> None:
    """Make all processes started by these tests count the models they open."""


@pytest.fixture
def run_recipe(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """Return a function that runs a recipe beside the tiny bundle at its default path, and returns the output."""
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "bundle").symlink_to(tiny_bundle, target_is_directory=True)
    monkeypatch.chdir(tmp_path)

    def run(name: str) -> str:
        exec(compile(RECIPES[name], f"docs/integrations.md, {name}", "exec"), {})
        return capsys.readouterr().out

    return run
