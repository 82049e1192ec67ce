"""The whole protocol with a model that trains in seconds: every section is there, and counts what it says."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.data.make_tiny_bundle import make_checkpoint

pytestmark = pytest.mark.slow

SPAM_WORDS = ["winner", "prize", "claim", "urgent", "cash", "award", "ringtone", "reply", "stop", "guaranteed"]
HAM_WORDS = ["lunch", "home", "later", "tomorrow", "mum", "train", "sleepy", "lesson", "movie", "sorry"]
OTHER_WORDS = [a + b for a in ("bal", "cor", "dim", "fen", "gul", "hop") for b in ("ta", "ro", "ki", "su", "ne", "vo")]
ROWS = 400


def evaluate(folder: Path, bundle: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, "-m", "tests.evaluation", "--quick", "--resamples", "20", *more]
    command += ["--data", folder / "data.tsv", "--base-model", folder / "base", "--bundle", bundle]
    return subprocess.run([*command, "--output", folder / "report"], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    dice = random.Random(1)
    lines = []
    for index in range(ROWS):
        label, words = ("spam", SPAM_WORDS) if index % 3 == 0 else ("ham", HAM_WORDS)
        chosen = dice.sample(words, 4) + dice.sample(OTHER_WORDS, 8)
        dice.shuffle(chosen)
        lines.append(f"{label}\t{' '.join(chosen)}{' http://win.example.com/12' if index % 6 == 0 else ''}")
    (folder / "data.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    make_checkpoint(folder / "base", max_position_embeddings=160)
    evaluate(folder, tiny_bundle, "--extra", f"other={folder / 'data.tsv'}")
    return folder / "report"


@pytest.fixture(scope="module")
def evaluation(report: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((report / "evaluation.json").read_bytes())
    return found


def test_the_page_and_its_figures_are_there(report: Path, evaluation: dict[str, Any]) -> None:
    assert (report / "index.html").stat().st_size > 10_000
    assert evaluation["corpus"]["rows"] == ROWS
    assert set(evaluation["systems"]) == {"spam_edge", "pytorch", "char_svm", "word_lr", "frozen_encoder"}
    assert "### Headline metrics" in evaluation["quote"]


def test_every_disguise_is_tried_at_every_level_on_both_targets(evaluation: dict[str, Any]) -> None:
    tried = {(entry["attack"], entry["level"], entry["target"]) for entry in evaluation["evasion"]}
    for number in range(1, 16):
        for level in ("light", "medium", "heavy"):
            for target in ("keywords", "random"):
                assert (f"E{number}", level, target) in tried
    assert {"E1 unknown", "E16", "E18"} <= {attack for attack, _, _ in tried}


def test_what_folding_undoes_costs_nothing(evaluation: dict[str, Any]) -> None:
    for entry in evaluation["evasion"]:
        if entry["attack"] in {"E2", "E3", "E4", "E9"} and entry["recall"]:
            assert entry["recall"]["value"] == entry["clean_recall"], entry


def test_the_worst_disguise_is_worse_than_each(evaluation: dict[str, Any]) -> None:
    worst = next(entry for entry in evaluation["evasion"] if entry["attack"] == "E18")
    alike = [
        entry["recall"]["value"]
        for entry in evaluation["evasion"]
        if (entry["level"], entry["target"]) == (worst["level"], worst["target"])
        and entry["attack"] not in {"E18", "E1 unknown"}
        and entry["changed"] == worst["changed"]
    ]
    assert worst["recall"]["value"] <= min(alike)


def test_the_tables_of_errors_and_modes_agree(evaluation: dict[str, Any]) -> None:
    confusion = evaluation["modes"]["balanced"]["confusion"]
    assert len(evaluation["errors"]["worst"]) == confusion["fp"] + confusion["fn"]
    assert sum(confusion.values()) == evaluation["systems"]["spam_edge"]["by_cluster"]["n"]
    order = [evaluation["modes"][mode]["recall"]["value"] for mode in ("low-false-positive", "balanced", "high-recall")]
    assert order == sorted(order)


def test_a_second_run_takes_what_is_there(report: Path, evaluation: dict[str, Any], tiny_bundle: Path) -> None:
    result = report / "quick" / "fold 0" / "result.json"
    before = result.stat().st_mtime_ns
    done = evaluate(report.parent, tiny_bundle)
    assert "trained already" in done.stderr
    assert result.stat().st_mtime_ns == before
    again = json.loads((report / "evaluation.json").read_bytes())
    assert again["systems"] == evaluation["systems"]
    assert again["corpora"] == []
