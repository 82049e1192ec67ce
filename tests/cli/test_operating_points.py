"""``--mode``, ``--max-fpr`` and ``--unsure`` of classify, batch and info."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from spam_edge import Prediction, RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.validation import ValidationScores
from spam_edge.cli.classify import _writer
from spam_edge.cli.options import RuntimeChoice
from spam_edge.decision.operating_points import BALANCED, MODES, UNSURE
from spam_edge.decision.thresholds import threshold_at_rate
from spam_edge.readers.extraction import Message

Run = Callable[..., Result]
PROCESS = [sys.executable, "-m", "spam_edge"]


@pytest.fixture
def golden(folder: Path, banded_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write golden messages of every label to ``in.jsonl`` and select the bundle with an UNSURE band."""
    monkeypatch.setenv("SPAM_EDGE_MODEL", str(banded_bundle))
    texts = Golden.read(Bundle.find(banded_bundle)).texts
    (folder / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return texts


def _labels(bundle: Path, texts: list[str], options: RuntimeOptions) -> list[str]:
    return [prediction.label for prediction in SpamClassifier.load(bundle, options).classify_batch(texts)]


@pytest.mark.parametrize("mode", MODES)
def test_mode_option_applies_its_threshold_and_reports_rate(
    run: Run, golden: list[str], banded_bundle: Path, mode: str
) -> None:
    result = run("classify", "--device", "cpu", "in.jsonl", "--mode", mode, "--format", "jsonl")
    assert result.exit_code == 0
    actual = [json.loads(line)["label"] for line in result.stdout.splitlines()]
    assert actual == _labels(banded_bundle, golden, RuntimeOptions(device="cpu", mode=mode))
    rate = "calls 0.00% (0.00% to 8.81%, n 40) of the test split's ham SPAM"
    assert result.stderr == ("" if mode == BALANCED else f"--mode {mode}: {rate}\n")


def test_modes_with_equal_thresholds_are_reported(classify: Run, tiny_bundle: Path) -> None:
    result = classify("--mode", "high-recall", stdin=b"see you at 5 then\n")
    assert result.stderr == (
        "--mode high-recall: the same threshold as balanced; "
        "calls 0.00% (0.00% to 8.81%, n 40) of the test split's ham SPAM\n"
    )
    result = classify("--unsure", stdin=b"see you at 5 then\n")
    assert result.stderr == (
        "--unsure: no score is UNSURE: high-recall and low-false-positive have the same threshold in this bundle\n"
    )


def test_bundle_without_mode_metrics_is_supported(classify: Run, banded_bundle: Path) -> None:
    path = banded_bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"metrics": {}}), encoding="utf-8")
    chosen = ["--model", str(banded_bundle)]
    assert classify(*chosen, "--mode", "high-recall", stdin=b"see you at 5 then\n").stderr == ""
    assert classify(*chosen, "--unsure", stdin=b"see you at 5 then\n").stderr == (
        "--unsure: the share of UNSURE messages was not measured when this bundle was exported\n"
    )


CONFIDENCE_BOUND = "0 of 30 validation ham reach it, which shows a rate of at most 9.50% with 95 % confidence"


def test_max_fpr_reports_threshold_and_confidence_bound(classify: Run, tiny_bundle: Path) -> None:
    default = Bundle.find(tiny_bundle).manifest.threshold
    scores = ValidationScores.read(Bundle.find(tiny_bundle))
    for rate, shown in (
        ("0.1", CONFIDENCE_BOUND),
        ("0.2", CONFIDENCE_BOUND.replace("0 of", "2 of").replace("9.50%", "19.53%")),
    ):
        result = classify("--max-fpr", rate, stdin=b"see you at 5 then\n")
        assert result.exit_code == 0
        threshold, _ = threshold_at_rate(scores, float(rate))
        assert result.stderr == (
            f"--max-fpr {rate}: threshold {threshold:.6g}; {shown}; below the threshold of balanced, {default:.6g}\n"
        )


def test_unproven_max_fpr_is_refused_unless_estimate_is_accepted(classify: Run, tiny_bundle: Path) -> None:
    result = classify("--max-fpr", "0.002", stdin=b"see you at 5 then\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: 30 validation ham cannot show a false-positive rate of at most 0.002: 1,497 are needed; set 0.0951 "
        "or more, validate with more ham, or accept an estimate with --max-fpr-unproven (max_fpr_unproven)\n"
    )
    for rate, needed in (("0.002", "1,497 ham would show 0.002"), ("0", "no number of ham can show 0")):
        result = classify("--max-fpr", rate, "--max-fpr-unproven", stdin=b"see you at 5 then\n")
        assert (result.exit_code, result.stdout[:3]) == (0, "HAM")
        threshold = Bundle.find(tiny_bundle).manifest.threshold
        assert result.stderr == (
            f"--max-fpr {rate}: threshold {threshold:.6g}; {CONFIDENCE_BOUND}; the threshold is an estimate: {needed}\n"
        )


def test_unsure_option_labels_messages_between_thresholds(run: Run, golden: list[str], banded_bundle: Path) -> None:
    expected = _labels(banded_bundle, golden, RuntimeOptions(device="cpu", unsure=True))
    result = run("classify", "--device", "cpu", "in.jsonl", "--unsure", "--only", "unsure", "--summary")
    assert (result.exit_code, result.stdout.count("UNSURE\t")) == (0, expected.count("UNSURE"))
    assert "HAM\t" not in result.stdout
    note, *lines = result.stderr.splitlines()
    assert note == (
        "--unsure: UNSURE in the test split: 0.00% (0.00% to 8.81%, n 40) of the ham, "
        "0.00% (0.00% to 8.81%, n 40) of the spam"
    )
    summary = dict(line.split()[:2] for line in lines)
    assert {label: int(summary[label]) for label in ("HAM", "SPAM", "UNSURE")} == {
        label: expected.count(label) for label in ("HAM", "SPAM", "UNSURE")
    }


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_unsure_label_is_yellow_on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = _Terminal()
    write = _writer("text", terminal, ("HAM", "SPAM", UNSURE), places=False, spreadsheet_safe=False)
    write([(Message("text", "file", 1), Prediction(label, 0.5, False)) for label in ("HAM", "SPAM", UNSURE)])
    colours = [line.split("m")[0] for line in terminal.getvalue().splitlines()]
    assert colours == ["\x1b[32", "\x1b[31", "\x1b[33"]


def test_unsure_message_does_not_trigger_fail_on_spam(run: Run, golden: list[str], banded_bundle: Path) -> None:
    labels = _labels(banded_bundle, golden, RuntimeOptions(device="cpu", unsure=True))
    text = golden[labels.index("UNSURE")]
    arguments = ["classify", "--device", "cpu", "--whole-file", "--fail-on-spam"]
    assert run(*arguments, "--mode", "high-recall", stdin=text.encode()).exit_code == 3
    assert run(*arguments, "--unsure", stdin=text.encode()).exit_code == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--mode", "balanced", "--threshold", "0.5"], "threshold and mode are mutually exclusive"),
        (["--mode", "balanced", "--max-fpr", "0.5"], "mode and max_fpr are mutually exclusive"),
        (["--unsure", "--threshold", "0.5"], "unsure and threshold are mutually exclusive"),
        (["--max-fpr", "2"], "'--max-fpr'"),
        (["--max-fpr-unproven"], "max_fpr_unproven requires max_fpr"),
        (["--only", "unsure"], "--only takes a label of this model: HAM, SPAM, not 'unsure'"),
    ],
)
def test_conflicting_options_are_usage_errors(classify: Run, wrong: list[str], words: str) -> None:
    result = classify(*wrong)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_unknown_mode_prints_one_line_error(classify: Run) -> None:
    result = classify("--mode", "strict")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: the bundle has no mode 'strict', only low-false-positive, balanced, ")
    assert result.stderr.count("\n") == 1


def test_info_shows_metrics_of_every_mode(run: Run, tiny_bundle: Path) -> None:
    manifest = Bundle.find(tiny_bundle).manifest
    shown = run("info", "--device", "cpu")
    rates = "100.00% (91.19% to 100.00%, n 40)"
    for mode, threshold in manifest.thresholds.items():
        same = "" if mode == BALANCED else ", the same as balanced"
        entries = [(f"mode {mode}", f"threshold {threshold:.4f}{same}"), ("  on the corpus", f"precision {rates}")]
        entries += [("", f"recall {rates}"), ("", "false positive")]
        assert "\n".join(f"{name:<25}{value}" for name, value in entries) in shown.stdout
    assert shown.stdout.endswith(
        f"\nunsure{'':<19}ham 0.00% (0.00% to 8.81%, n 40)\n{'':<25}spam 0.00% (0.00% to 8.81%, n 40)\n"
    )
    described = json.loads(run("info", "--device", "cpu", "--json").stdout)
    assert described["modes"] == {
        mode: {"threshold": threshold, "same_as": None if mode == BALANCED else BALANCED}
        | manifest.metrics["modes"][mode]
        | {"today": {}}
        for mode, threshold in manifest.thresholds.items()
    }
    assert described["unsure"] == manifest.metrics["unsure"]


def _batch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*PROCESS, "batch", "in.jsonl", "-o", "out.jsonl", "--device", "cpu", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_batch_subprocess_applies_unsure_and_max_fpr(folder: Path, golden: list[str], banded_bundle: Path) -> None:
    completed = _batch(folder, "--unsure", "--report", "report.json")
    assert completed.returncode == 0, completed.stderr
    assert "--unsure: UNSURE in the test split: 0.00% (0.00% to 8.81%, n 40) of the ham" in completed.stderr
    actual = [json.loads(line)["label"] for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    expected = _labels(banded_bundle, golden, RuntimeOptions(device="cpu", unsure=True))
    assert actual == expected
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["labels"] == {label: expected.count(label) for label in ("HAM", "SPAM", "UNSURE")}
    assert report["spam_share"] == expected.count("SPAM") / len(expected)
    completed = _batch(folder, "--max-fpr", "0.1", "--force")
    assert completed.returncode == 0
    assert (
        f"--max-fpr 0.1: threshold 0.483327; {CONFIDENCE_BOUND}; below the threshold of balanced, " in completed.stderr
    )
    completed = _batch(folder, "--max-fpr", "0.01", "--force")
    assert (completed.returncode, completed.stdout) == (1, "")
    assert (
        "Error: 30 validation ham cannot show a false-positive rate of at most 0.01: 299 are needed" in completed.stderr
    )
    completed = _batch(folder, "--max-fpr", "0.01", "--max-fpr-unproven", "--force")
    assert completed.returncode == 0
    assert f"{CONFIDENCE_BOUND}; the threshold is an estimate: 299 ham would show 0.01" in completed.stderr


def test_resume_with_added_unsure_option_is_refused(folder: Path, golden: list[str]) -> None:
    assert _batch(folder, "--mode", "low-false-positive").returncode == 0
    completed = _batch(folder, "--unsure", "--resume")
    assert completed.returncode == 1
    assert "cannot resume: unsure from was None when the job began" in completed.stderr


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ({}, False),
        ({"threshold": None, "mode": None, "max_fpr": None, "unsure": False}, False),
        ({"threshold": 0.0}, True),
        ({"max_fpr": 0.0}, True),
        ({"mode": "balanced"}, True),
        ({"unsure": True}, True),
    ],
)
def test_zero_threshold_or_rate_counts_as_explicit_choice(values: dict[str, Any], chosen: bool) -> None:
    assert RuntimeChoice(None, values).chooses_threshold is chosen
