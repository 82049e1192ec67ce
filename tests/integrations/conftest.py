"""Rows for the engines, and what they have to become."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from spam_edge import RuntimeOptions, SpamClassifier

ROOT = Path(__file__).parents[2]
ROWS = 20_000
_SECTION = (ROOT / "README.md").read_text("utf-8").split("## In batch engines")[1].split("\n## ")[0]
RECIPES = {re.split(r"[ .\n]", code)[1]: code for code in re.findall(r"```python\n(.*?)```", _SECTION, flags=re.DOTALL)}
"""The recipes of the README, by the first library that each imports."""

Verdict = tuple[str | None, float | None, bool | None]


@dataclass(frozen=True)
class Rows:
    """Texts, each another one, with a null here and there, and the verdict on each, of ``classify_batch``."""

    texts: list[str | None]
    verdicts: list[Verdict]


@pytest.fixture(scope="session")
def rows(tiny_bundle: Path) -> Rows:
    """The golden texts with a number before them, in the order of the numbers."""
    golden = [json.loads(line)["text"] for line in (tiny_bundle / "golden.jsonl").read_text("utf-8").splitlines()]
    texts = [None if n % 97 == 5 else f"{n} {golden[n % len(golden)]}" for n in range(ROWS)]
    known = [text for text in texts if text is not None]
    classifier = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu", threads=1))
    found = iter(classifier.classify_batch(known))
    verdicts: list[Verdict] = []
    for text in texts:
        prediction = None if text is None else next(found)
        verdicts.append(
            (None, None, None) if prediction is None else (prediction.label, prediction.score, prediction.truncated)
        )
    assert len({verdict[0] for verdict in verdicts}) == 3
    assert {verdict[2] for verdict in verdicts} == {None, False, True}
    return Rows(texts, verdicts)


@pytest.fixture(scope="session", autouse=True)
def _counted(load_files: Path) -> None:
    """Whatever these tests start counts the models it opens."""


@pytest.fixture
def run_recipe(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """A function that runs a recipe of the README as it stands there, and returns what it prints."""

    def run(name: str) -> str:
        exec(compile(RECIPES[name], f"README.md, {name}", "exec"), {"bundle": str(tiny_bundle)})
        return capsys.readouterr().out

    return run
