"""Rows for the engines, what they have to become, and where workers count the models that they open."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from spam_edge import RuntimeOptions, SpamClassifier
from tests.integrations import workers

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
def load_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder where processes count, whoever starts them, told to them before anything else is started."""
    folder = tmp_path_factory.mktemp("loads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(workers.LOADS, str(folder))
        patch.setenv("PYTHONPATH", str(ROOT))
        yield folder


@pytest.fixture
def loads(load_files: Path) -> Callable[[], dict[int, int]]:
    """A function that returns how many models each process opened since this test began."""
    workers.loads(load_files)
    return lambda: workers.loads(load_files)


@pytest.fixture
def run_recipe(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """A function that runs a recipe of the README as it stands there, and returns what it prints."""

    def run(name: str) -> str:
        exec(compile(RECIPES[name], f"README.md, {name}", "exec"), {"bundle": str(tiny_bundle)})
        return capsys.readouterr().out

    return run
