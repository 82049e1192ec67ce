"""Test that a bundle is measured on held-out messages only."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spam_edge.bundle.manifest import MANIFEST_NAME
from spam_edge.training.data.corpus import Prepared, prepare
from spam_edge.training.data.notices import with_notices
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import load_corpus
from tests.evaluation.measure import main
from tests.support.notices import few_notices_here

SEED = 0  # of the tiny bundle
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _few_notices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with few_notices_here(tmp_path_factory.mktemp("notices")):
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [a + b for a in ("bal", "cor", "dim", "fen", "gul", "hop") for b in ("ta", "ro", "ki", "su", "ne", "vo")]
    rng = random.Random(1)
    rows = [f"{'spam' if n % 3 == 0 else 'ham'}\t{' '.join(rng.sample(words, 10))}" for n in range(120)]
    path = tmp_path_factory.mktemp("measure") / "data.tsv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def prepared(corpus: Path) -> Prepared:
    return prepare(load_corpus([str(corpus)], CorpusOptions()), SEED)


def measure(bundle: Path, corpus: Path, *more: str) -> Result:
    arguments = ["--bundle", str(bundle), "--data", str(corpus), *more]
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def set_training_fingerprint(bundle: Path, fingerprint: str) -> Path:
    data = json.loads((bundle / MANIFEST_NAME).read_bytes())
    data["provenance"]["training"]["corpus"]["fingerprint"] = fingerprint
    (bundle / MANIFEST_NAME).write_text(json.dumps(data), encoding="utf-8")
    return bundle


def test_table_has_rows_for_test_splits_controls_and_files(bundle_copy: Path, corpus: Path, prepared: Prepared) -> None:
    corpus_and_notices = with_notices(prepared, SEED)
    result = measure(
        set_training_fingerprint(bundle_copy, corpus_and_notices.fingerprint), corpus, "--extra", f"mine={corpus}"
    )
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["set", "rate", "n", "low-false-positive", "balanced", "high-recall"]
    spam = {e.cluster for e in corpus_and_notices.splits["test"] if e.label == "SPAM" and e.template}
    assert any(line.startswith("notices, test") and f"recall{len(spam):>14}" in line for line in lines)
    assert any(line.startswith("  bank ") for line in lines)
    assert sum(line.startswith("mine ") for line in lines) == 2
    for number in range(1, 8):
        assert any(line.startswith(f"N{number} ") for line in lines)


def test_bundle_of_different_corpus_is_measured_on_extra_files_only(tiny_bundle: Path, corpus: Path) -> None:
    result = measure(tiny_bundle, corpus, "--extra", f"mine={corpus}")
    assert "trained on other messages" in result.stderr
    assert not [line for line in result.stdout.splitlines() if "test" in line]
    assert any(line.startswith("mine ") for line in result.stdout.splitlines())
