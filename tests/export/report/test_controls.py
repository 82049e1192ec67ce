"""Harmless controls: counts at the shipped threshold, and the gate on more than 3% false positives of a kind."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.checkpoint import Checkpoint, Split
from export.errors import GateError
from export.report.controls import check_controls, measure_controls
from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.decision.intervals import counted
from spam_edge.training.attacks import CONTROLS, ham_controls
from spam_edge.training.data.notices import NOTICES

ROOT = Path(__file__).parents[3]
N6_COUNT = "N6 phone numbers, one-time passwords and prices: 2 of 60"


def _split(corpus: str) -> Split:
    return Split(["text"], np.array([0]), np.array([0]), [0], [[corpus]], [""])


def _checkpoint(source: str, *, notices: bool) -> Checkpoint:
    train = _split(NOTICES if notices else "sms.csv")
    return Checkpoint(Path(), {}, {"corpus": {"source": source}}, train, _split("sms.csv"), _split("sms.csv"))


def _controls(**called: int) -> dict[str, dict[str, Any]]:
    return {name: {"title": CONTROLS[name].title, **counted(called.get(name, 0), 60)} for name in ham_controls()}


def test_controls_are_counted_per_kind_at_shipped_threshold(tiny_bundle: Path) -> None:
    classifier = SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu", variant="int8"))
    controls = measure_controls(classifier)
    assert list(controls) == ["N1", "N2", "N3", "N4", "N5", "N6"]
    for name, texts in ham_controls().items():
        called = [prediction.label == "SPAM" for prediction in classifier.classify_batch(texts)]
        assert controls[name] == {"title": CONTROLS[name].title, **counted(sum(called), len(texts))}
    assert 0 < sum(control["count"] for control in controls.values()) < 360


@pytest.mark.parametrize("source", ["hub", "packaged"])
def test_default_corpus_bundle_fails_gate_if_interval_exceeds_limit(source: str) -> None:
    checkpoint, reported = _checkpoint(source, notices=True), list[str]()
    with pytest.raises(
        GateError, match=r"nothing was exported: more than 3% .* \(N6 .*: 6 of 60\); train with"
    ) as error:
        check_controls(_controls(N1=1, N6=6), checkpoint, reported.append, enforce=True)
    assert "N1" not in str(error.value)
    check_controls(_controls(N6=5), checkpoint, reported.append, enforce=True)
    assert "N6 phone numbers, one-time passwords and prices: 5 of 60" in reported.pop()
    check_controls(_controls(N6=2), checkpoint, reported.append, enforce=False)
    assert len(reported) == 1
    assert N6_COUNT in reported[0]


@pytest.mark.parametrize(
    ("source", "notices", "remedy"),
    [
        ("files", False, "add such messages to your files"),
        ("files", True, "add such messages to your files"),
        ("hub", False, "for comparison with papers"),
        ("packaged", False, "for comparison with papers"),
    ],
)
def test_other_bundles_get_one_line_warning_with_remedy(source: str, notices: bool, remedy: str) -> None:
    reported: list[str] = []
    check_controls(_controls(N6=2), _checkpoint(source, notices=notices), reported.append, enforce=True)
    assert len(reported) == 1
    assert "\n" not in reported[0]
    assert N6_COUNT in reported[0]
    assert remedy in reported[0]


def test_one_false_positive_of_sixty_passes_gate() -> None:
    reported: list[str] = []
    controls = _controls(**dict.fromkeys(ham_controls(), 1))
    check_controls(controls, _checkpoint("packaged", notices=True), reported.append, enforce=True)
    assert reported == ["harmless controls: at most 3% of each kind are called spam"]


@pytest.fixture(scope="module")
def default_checkpoint(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint with the packaged corpus as its source; a quarter of its messages are notices."""
    checkpoint = Path(shutil.copytree(tiny_checkpoint, tmp_path_factory.mktemp("default") / "checkpoint"))
    record = json.loads((checkpoint / "training.json").read_text(encoding="utf-8"))
    record["corpus"]["source"] = "packaged"
    (checkpoint / "training.json").write_text(json.dumps(record), encoding="utf-8")
    for path in (checkpoint / "splits").iterdir():
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        notices = [{"corpus": [NOTICES], "kind": row["label"].lower()} for row in rows]
        kept = [row | (notice if n % 8 > 5 else {}) for n, (row, notice) in enumerate(zip(rows, notices, strict=True))]
        path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    return checkpoint


@pytest.mark.slow
def test_failed_gate_leaves_existing_bundle_unchanged(default_checkpoint: Path, bundle_copy: Path) -> None:
    before = (bundle_copy / "manifest.json").read_bytes()
    command = [sys.executable, "-m", "export", "--checkpoint", default_checkpoint, "--output", bundle_copy]
    completed = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (completed.returncode, completed.stdout) == (1, "")
    assert (
        "Error: the gate failed, nothing was exported: more than 3% of the harmless controls of a kind"
        in completed.stderr
    )
    assert (bundle_copy / "manifest.json").read_bytes() == before
    assert [path.name for path in bundle_copy.parent.iterdir()] == ["bundle"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*legacy.*:UserWarning")
def test_card_shows_tracks_and_controls_with_disabled_gate(default_checkpoint: Path, tmp_path: Path) -> None:
    from export.assembly import export_bundle

    reported: list[str] = []
    target = tmp_path / "bundle"
    export_bundle(default_checkpoint, target, name="test", version="1", report=reported.append, enforce=False)
    assert sum("harmless controls of a kind are called spam" in line for line in reported) == 1
    metrics = json.loads((target / "manifest.json").read_bytes())["metrics"]
    card = (target / "README.md").read_text(encoding="utf-8")
    assert (metrics["test"]["int8"]["n"], metrics["today"]["recall"]["n"]) == (60, 10)
    assert "The test split of the SMS Spam Collection has 60 messages (30 ham, 30 spam)" in card
    assert "|  | the SMS Spam Collection | today |" in card
    order = [
        "## Results",
        "| today |",
        "| ham | false-positive rate | spam |",
        "| harmless controls |",
        "## The corpus",
    ]
    assert [card.index(part) for part in order] == sorted(card.index(part) for part in order)
    assert "SPAM is an unsolicited message" in card
    assert "were written by a language model for this package" in card
    n6 = metrics["controls"]["N6"]
    assert f"| N6 {n6['title']} | {n6['value']:.2%} ({n6['low']:.2%} to {n6['high']:.2%}, n 60) |" in card
    # parity covers every test message, notices included
    measured = json.loads((target / "parity.json").read_bytes())["measured"]
    assert {row["n"] for row in measured if row["rows"] == "test"} == {80}
