"""Run the whole protocol with a model that trains in seconds, and check that the sections are consistent."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spam_edge.training.data.corpus import prepare
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import load_corpus
from spam_edge.training.model.base_model import choose_base_model
from spam_edge.training.settings import TrainingSettings
from tests.data.make_tiny_bundle import make_checkpoint
from tests.evaluation.attacks import SAMPLE
from tests.evaluation.pipeline import Pipeline
from tests.support.notices import few_notices

pytestmark = pytest.mark.slow

SPAM_WORDS = ["winner", "prize", "claim", "urgent", "cash", "award", "ringtone", "reply", "stop", "guaranteed"]
HAM_WORDS = ["lunch", "home", "later", "tomorrow", "mum", "train", "sleepy", "lesson", "movie", "sorry"]
OTHER_WORDS = [a + b for a in ("bal", "cor", "dim", "fen", "gul", "hop") for b in ("ta", "ro", "ki", "su", "ne", "vo")]
ROWS = 400


def evaluate(folder: Path, bundle: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the program with a twentieth of the notices."""
    command: list[str | Path] = [sys.executable, "-m", "tests.evaluation", "--quick", "--resamples", "20", *more]
    command += ["--data", folder / "data.tsv", "--base-model", folder / "base", "--bundle", bundle]
    return subprocess.run(
        [*command, "--output", folder / "report"],
        check=True,
        capture_output=True,
        text=True,
        env=few_notices(folder),
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    rng = random.Random(1)
    lines = []
    for index in range(ROWS):
        label, words = ("spam", SPAM_WORDS) if index % 3 == 0 else ("ham", HAM_WORDS)
        chosen = rng.sample(words, 4) + rng.sample(OTHER_WORDS, 8)
        rng.shuffle(chosen)
        lines.append(f"{label}\t{' '.join(chosen)}{' http://win.example.com/12' if index % 6 == 0 else ''}")
    (folder / "data.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    make_checkpoint(folder / "base", max_position_embeddings=160)
    ham = [line for line in lines if line.startswith("ham")]
    (folder / "ham.tsv").write_text("\n".join(ham[:50]) + "\n", encoding="utf-8")
    files = (f"other={folder / 'data.tsv'}", f"alerts={folder / 'ham.tsv'}", f"marketing:shop={folder / 'ham.tsv'}")
    evaluate(folder, tiny_bundle, "--notices", *(part for file in files for part in ("--extra", file)))
    return folder / "report"


@pytest.fixture(scope="module")
def evaluation(report: Path) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((report / "evaluation.json").read_bytes())
    return results


def test_run_writes_page_and_figures_of_every_system(report: Path, evaluation: dict[str, Any]) -> None:
    assert (report / "index.html").stat().st_size > 10_000
    assert evaluation["corpus"]["rows"] == ROWS
    assert set(evaluation["systems"]) == {"spam_edge", "pytorch", "char_svm", "word_lr", "frozen_encoder"}
    assert "### Headline metrics" in evaluation["quote"]


def test_corpus_track_contains_only_corpus_messages(report: Path, evaluation: dict[str, Any]) -> None:
    fold = json.loads((report / "quick" / "fold 0" / "result.json").read_bytes())
    texts = {line.split("\t")[1] for line in (report.parent / "data.tsv").read_text(encoding="utf-8").splitlines()}
    assert set(fold["corpus"]["texts"]) <= texts
    assert not set(fold["notices"]["texts"]) & texts
    assert set(fold["notices"]["scores"]) == {"spam_edge", "char_svm"}
    assert evaluation["systems"]["spam_edge"]["by_row"]["n"] == len(fold["corpus"]["texts"])


def test_kind_counts_sum_to_notices_without_marketing(evaluation: dict[str, Any]) -> None:
    notices = evaluation["today"]["notices"]
    counted = notices["systems"]["spam_edge"]["by_cluster"]
    for label, n, rate in (("HAM", counted["n_ham"], "false_positive_rate"), ("SPAM", counted["n_spam"], "recall")):
        kinds = [each["modes"]["balanced"] for each in notices["kinds"] if each["label"] == label]
        assert sum(kind["n"] for kind in kinds) == n
        hits = sum(round(kind["value"] * kind["n"]) for kind in kinds)
        assert hits == pytest.approx(notices["modes"]["balanced"][rate]["value"] * n)
        assert counted[rate] == notices["modes"]["balanced"][rate]
    assert "marketing" not in {each["kind"] for each in notices["kinds"]}
    confusion = notices["modes"]["balanced"]["confusion"]
    assert len(notices["errors"]) == confusion["fp"] + confusion["fn"]
    assert notices["calibration"]["ece"]["n"] == counted["n"]


def test_every_attack_disguises_sample_of_notice_spam_once(evaluation: dict[str, Any]) -> None:
    evasion = evaluation["today"]["notices"]["evasion"]
    assert [entry["attack"] for entry in evasion] == [*(f"E{number}" for number in range(1, 16)), "E18"]
    assert {(entry["level"], entry["target"]) for entry in evasion} == {("medium", "keywords")}
    assert max(entry["changed"] for entry in evasion) == SAMPLE
    assert all(entry["clean_low"] <= entry["clean_recall"] for entry in evasion if entry["changed"])


def test_extra_file_kinds_and_means_follow_from_labels(evaluation: dict[str, Any]) -> None:
    files = {file["name"]: file for file in evaluation["today"]["files"]}
    assert {name: file["kind"] for name, file in files.items()} == {
        "other": "both", "alerts": "notices", "shop": "marketing",
    }  # fmt: skip
    assert files["alerts"]["modes"]["balanced"]["recall"] is None
    alone = files["alerts"]["modes"]["balanced"]["false_positive_rate"]
    assert evaluation["today"]["means"]["notices"] == {
        "files": 1,
        "modes": {mode: each["false_positive_rate"]["value"] for mode, each in files["alerts"]["modes"].items()},
    }
    assert alone["n"] == 50
    assert "spam" not in evaluation["today"]["means"]
    assert (files["other"]["n_ham"], files["other"]["n_spam"]) == (266, 134)


def test_every_attack_runs_at_every_level_and_target(evaluation: dict[str, Any]) -> None:
    tried = {(entry["attack"], entry["level"], entry["target"]) for entry in evaluation["evasion"]}
    for number in range(1, 16):
        for level in ("light", "medium", "heavy"):
            for target in ("keywords", "random"):
                assert (f"E{number}", level, target) in tried
    assert {"E1 unknown", "E16", "E18"} <= {attack for attack, _, _ in tried}


def test_attacks_undone_by_normalisation_cost_no_recall(evaluation: dict[str, Any]) -> None:
    for entry in evaluation["evasion"]:
        if entry["attack"] in {"E2", "E3", "E4", "E9"} and entry["recall"]:
            assert entry["recall"]["value"] == entry["clean_recall"], entry


def test_worst_case_recall_is_at_most_every_attack_recall(evaluation: dict[str, Any]) -> None:
    worst = next(entry for entry in evaluation["evasion"] if entry["attack"] == "E18")
    alike = [
        entry["recall"]["value"]
        for entry in evaluation["evasion"]
        if (entry["level"], entry["target"]) == (worst["level"], worst["target"])
        and entry["attack"] not in {"E18", "E1 unknown"}
        and entry["changed"] == worst["changed"]
    ]
    assert worst["recall"]["value"] <= min(alike)


def test_error_counts_and_mode_order_agree_with_confusion_matrix(evaluation: dict[str, Any]) -> None:
    confusion = evaluation["modes"]["balanced"]["confusion"]
    assert len(evaluation["errors"]["worst"]) == confusion["fp"] + confusion["fn"]
    assert sum(confusion.values()) == evaluation["systems"]["spam_edge"]["by_cluster"]["n"]
    order = [evaluation["modes"][mode]["recall"]["value"] for mode in ("low-false-positive", "balanced", "high-recall")]
    assert order == sorted(order)


def test_second_run_reuses_trained_folds_with_same_results(
    report: Path, evaluation: dict[str, Any], tiny_bundle: Path
) -> None:
    result = report / "quick" / "fold 0" / "result.json"
    before = result.stat().st_mtime_ns
    completed = evaluate(report.parent, tiny_bundle, "--notices")
    assert "trained already" in completed.stderr
    assert result.stat().st_mtime_ns == before
    again = json.loads((report / "evaluation.json").read_bytes())
    assert again["systems"] == evaluation["systems"]
    assert again["today"]["notices"] == evaluation["today"]["notices"]
    assert again["today"]["files"] == []


def test_interrupted_fold_resumes_after_last_completed_epoch(report: Path, tmp_path: Path) -> None:
    prepared = prepare(load_corpus([str(report.parent / "data.tsv")], CorpusOptions()), 42)
    base, settings = choose_base_model(str(report.parent / "base")), TrainingSettings(epochs=2, max_length=32)

    def interrupt(line: str) -> None:
        if "epoch 2 of 2" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pipeline(base, settings, folder=tmp_path, report=interrupt).checkpoint("fold 0", prepared)
    reported: list[str] = []
    pipeline = Pipeline(base, settings, folder=tmp_path, report=reported.append)
    assert pipeline.checkpoint("fold 0", prepared).is_dir()
    assert reported[0] == "fold 0: resuming the interrupted run"
    assert not any("epoch 1 of 2" in line for line in reported)
    reported.clear()
    pipeline.checkpoint("fold 0", prepared)
    assert reported == ["fold 0: trained already"]
