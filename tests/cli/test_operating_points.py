"""``--mode``, ``--max-fpr`` and ``--unsure``, of classify, batch and info."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from spam_edge import Prediction, RuntimeOptions, SpamClassifier
from spam_edge.bundle import Bundle
from spam_edge.cli_classify import _writer
from spam_edge.operating_points import MODES, UNSURE
from spam_edge.rows import Message
from spam_edge.validation import ValidationScores
from spam_edge.verification import Golden

Run = Callable[..., Result]
PROCESS = [sys.executable, "-m", "spam_edge"]


@pytest.fixture
def golden(folder: Path, banded_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write golden messages with every label to ``in.jsonl``; the bundle of the commands is the one with a band."""
    monkeypatch.setenv("SPAM_EDGE_MODEL", str(banded_bundle))
    texts = Golden.read(Bundle.find(banded_bundle)).texts
    (folder / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return texts


def _labels(bundle: Path, texts: list[str], options: RuntimeOptions) -> list[str]:
    return [prediction.label for prediction in SpamClassifier.load(bundle, options).classify_batch(texts)]


@pytest.mark.parametrize("mode", MODES)
def test_mode(run: Run, golden: list[str], banded_bundle: Path, mode: str) -> None:
    result = run("classify", "--device", "cpu", "in.jsonl", "--mode", mode, "--format", "jsonl")
    assert (result.exit_code, result.stderr) == (0, "")
    found = [json.loads(line)["label"] for line in result.stdout.splitlines()]
    assert found == _labels(banded_bundle, golden, RuntimeOptions(device="cpu", mode=mode))


def test_max_fpr_says_what_it_is_worth(classify: Run, tiny_bundle: Path, folder: Path) -> None:
    scores = ValidationScores.read(Bundle.find(tiny_bundle))
    result = classify("--max-fpr", "0.1", stdin=b"see you at 5 then\n")
    assert result.exit_code == 0
    [line] = result.stderr.splitlines()
    found = re.fullmatch(
        r"--max-fpr 0\.1: threshold (\S+); 3 of 30 validation ham lie above it, so that the rate is at most 26\.53% "
        r"\(95 % Clopper-Pearson\)",
        line,
    )
    assert found is not None
    assert scores.ham[-4] < float(found[1]) < scores.ham[-3]


def test_unsure(run: Run, golden: list[str], banded_bundle: Path) -> None:
    expected = _labels(banded_bundle, golden, RuntimeOptions(device="cpu", unsure=True))
    result = run("classify", "--device", "cpu", "in.jsonl", "--unsure", "--only", "unsure", "--summary")
    assert (result.exit_code, result.stdout.count("UNSURE\t")) == (0, expected.count("UNSURE"))
    assert "HAM\t" not in result.stdout
    summary = dict(line.split()[:2] for line in result.stderr.splitlines())
    assert {label: int(summary[label]) for label in ("HAM", "SPAM", "UNSURE")} == {
        label: expected.count(label) for label in ("HAM", "SPAM", "UNSURE")
    }


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_unsure_is_yellow_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = _Terminal()
    write = _writer("text", terminal, ("HAM", "SPAM", UNSURE), places=False)
    write([(Message("text", "file", 1), Prediction(label, 0.5, False)) for label in ("HAM", "SPAM", UNSURE)])
    colours = [line.split("m")[0] for line in terminal.getvalue().splitlines()]
    assert colours == ["\x1b[32", "\x1b[31", "\x1b[33"]


def test_unsure_is_no_spam(run: Run, golden: list[str], banded_bundle: Path) -> None:
    labels = _labels(banded_bundle, golden, RuntimeOptions(device="cpu", unsure=True))
    text = golden[labels.index("UNSURE")]
    arguments = ["classify", "--device", "cpu", "--whole-file", "--fail-on-spam"]
    assert run(*arguments, "--mode", "high-recall", stdin=text.encode()).exit_code == 3
    assert run(*arguments, "--unsure", stdin=text.encode()).exit_code == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--mode", "balanced", "--threshold", "0.5"], "threshold and mode each set the threshold"),
        (["--mode", "balanced", "--max-fpr", "0.5"], "mode and max_fpr each set the threshold"),
        (["--unsure", "--threshold", "0.5"], "unsure takes two thresholds of the bundle"),
        (["--max-fpr", "2"], "'--max-fpr'"),
        (["--only", "unsure"], "--only takes a label of this model: HAM, SPAM, not 'unsure'"),
    ],
)
def test_what_does_not_go_together(classify: Run, wrong: list[str], words: str) -> None:
    result = classify(*wrong)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_an_unknown_mode_is_one_line(classify: Run) -> None:
    result = classify("--mode", "strict")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: this bundle has no mode 'strict'; it has low-false-positive, balanced, ")
    assert result.stderr.count("\n") == 1


def test_info_shows_the_modes(run: Run, tiny_bundle: Path) -> None:
    manifest = Bundle.find(tiny_bundle).manifest
    shown = run("info", "--device", "cpu")
    for mode, threshold in manifest.thresholds.items():
        assert re.search(rf"^mode {mode} +threshold {threshold:.4f}; precision 100\.00% \(91\.19% ", shown.stdout, re.M)
    described = json.loads(run("info", "--device", "cpu", "--json").stdout)["modes"]
    assert described == {
        mode: {"threshold": threshold} | manifest.metrics["modes"][mode]
        for mode, threshold in manifest.thresholds.items()
    }


def _batch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*PROCESS, "batch", "in.jsonl", "-o", "out.jsonl", "--device", "cpu", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_batch_as_a_process(folder: Path, golden: list[str], banded_bundle: Path) -> None:
    done = _batch(folder, "--unsure", "--report", "report.json")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line)["label"] for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    expected = _labels(banded_bundle, golden, RuntimeOptions(device="cpu", unsure=True))
    assert found == expected
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["labels"] == {label: expected.count(label) for label in ("HAM", "SPAM", "UNSURE")}
    assert report["spam_share"] == expected.count("SPAM") / len(expected)
    done = _batch(folder, "--max-fpr", "0.1", "--force")
    assert done.returncode == 0
    assert "3 of 30 validation ham lie above it" in done.stderr


def test_a_job_that_was_begun_without_unsure_does_not_go_on_with_it(folder: Path, golden: list[str]) -> None:
    assert _batch(folder, "--mode", "low-false-positive").returncode == 0
    done = _batch(folder, "--unsure", "--resume")
    assert done.returncode == 1
    assert "cannot resume: unsure from was None when the job began" in done.stderr
