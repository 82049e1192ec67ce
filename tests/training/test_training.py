"""Training runs on a synthetic corpus and a tiny base model."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from spam_edge.errors import InputError
from spam_edge.training import fit, run
from spam_edge.training.checkpoint import PartialRun
from spam_edge.training.data.corpus import Prepared, prepare
from spam_edge.training.data.messages import LabelledMessage
from spam_edge.training.data.sources import Corpus
from spam_edge.training.fit import last_whole_checkpoint
from spam_edge.training.metrics import evaluation
from spam_edge.training.metrics.evaluation import KeepEpoch, select_epoch, selection_score
from spam_edge.training.model import hardware
from spam_edge.training.model.base_model import choose_base_model, load_model
from spam_edge.training.model.hardware import Hardware
from spam_edge.training.settings import SWEEP_LEARNING_RATES, TrainingSettings
from tests.support import parallel
from tests.support.timeouts import TIMEOUT

pytestmark = pytest.mark.slow

SETTINGS = TrainingSettings(learning_rate=5e-3, epochs=5, batch_size=8, max_length=32)


class Interrupted(Exception):
    """Raised by the report callback to simulate Ctrl-C."""


@pytest.fixture(scope="module", autouse=True)
def one_core() -> Iterator[None]:
    """Pin the tests to one core, because threads do not speed up a tiny model and stall on a busy machine."""
    threads = torch.get_num_threads()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if cores:
        os.sched_setaffinity(0, {sorted(cores)[-1 - parallel.NUMBER % len(cores)]})
    yield
    if cores:
        os.sched_setaffinity(0, cores)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def prepared(messages: list[LabelledMessage]) -> Prepared:
    return prepare(Corpus("made", "files", "asked for", tuple(messages)), SETTINGS.seed)


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ([0.30, 0.20, 0.10], 2),
        ([0.30, 0.10, 0.12], 2),  # within one standard error of the lowest
        ([0.30, 0.10, 0.14], 1),
        ([0.10, 0.12, 0.14], 1),  # compared with the lowest, not with the previous epoch
        ([0.10, 0.12, 0.09, 0.13], 2),
        ([0.10], 0),
    ],
)
def test_latest_epoch_within_one_standard_error_is_selected(losses: list[float], kept: int) -> None:
    epochs = [{"calibrated_loss": loss, "loss_error": 0.03} for loss in losses]
    assert select_epoch(epochs) == kept
    chosen = []
    log: list[dict[str, float]] = [{"loss": 0.5}]
    for entry in epochs:  # the Trainer keeps the first epoch with the highest score
        log.append({f"eval_{name}": value for name, value in entry.items()})
        metrics: dict[str, float] = {}
        state = TrainerState(log_history=log)
        KeepEpoch().on_evaluate(TrainingArguments(output_dir="nowhere"), state, TrainerControl(), metrics=metrics)
        chosen.append(metrics["eval_selection"])
    assert chosen.index(max(chosen)) == kept


def test_learning_rates_are_ranked_by_pr_auc_then_loss() -> None:
    ranked = [(0.99, 0.01), (0.9912, 0.5), (0.9908, 0.4), (1.0, 5.0), (1.0, 0.2)]
    assert sorted(ranked, key=lambda pair: selection_score(*pair)) == ranked


def train(prepared: Prepared, base: Path, output: Path, settings: TrainingSettings = SETTINGS, **options: Any) -> Any:
    report = options.pop("report", lambda line: None)
    return run.train(prepared, choose_base_model(str(base)), settings, output=output, report=report, **options)


@pytest.fixture(scope="module")
def trained(prepared: Prepared, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("artifacts") / "checkpoint"
    train(prepared, tiny_base, output)
    return output


def record_of(output: Path) -> Mapping[str, Any]:
    record: Mapping[str, Any] = json.loads((output / "training.json").read_text(encoding="utf-8"))
    return record


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "model.safetensors")


def assert_equal_weights(first: Path, second: Path) -> None:
    one, two = weights(first), weights(second)
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def test_checkpoint_contains_expected_files_and_split_examples(trained: Path, prepared: Prepared) -> None:
    names = {path.relative_to(trained).as_posix() for path in trained.rglob("*") if path.is_file()}
    assert names == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "vocab.txt", "normalizer.json", "training.json", "cleaning.txt", "curves.png",
        "splits/train.jsonl", "splits/validation.jsonl", "splits/test.jsonl",
    }  # fmt: skip
    assert len({path.stat().st_mode for path in trained.rglob("*") if path.is_file()}) == 1
    assert [path.name for path in trained.parent.iterdir()] == ["checkpoint"]  # the partial run is removed
    for split, examples in prepared.splits.items():
        lines = (trained / "splits" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == [
            {"text": e.text, "label": e.label, "cluster": e.cluster, "corpus": ["made.tsv"], "kind": ""}
            for e in examples
        ]


def test_checkpoint_loads_with_auto_classes_and_reproduces_recorded_metrics(trained: Path, prepared: Prepared) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(trained).eval()
    tokenizer = AutoTokenizer.from_pretrained(trained)
    assert model.config.id2label == {0: "HAM", 1: "SPAM"}
    assert tokenizer.model_max_length == SETTINGS.max_length
    baked = json.loads((trained / "tokenizer.json").read_text(encoding="utf-8"))
    assert (baked["truncation"], baked["padding"]) == (None, None)
    record = record_of(trained)
    for split in ("validation", "test"):
        examples = prepared.splits[split]
        encoded = tokenizer([e.text for e in examples], padding=True, truncation=True, return_tensors="pt")
        labels = torch.tensor([model.config.label2id[e.label] for e in examples])
        with torch.inference_mode():
            logits = model(**encoded).logits
        accuracy = int((logits.argmax(dim=1) == labels).sum()) / len(examples)
        assert accuracy == record[split]["accuracy"]
        assert accuracy > 0.8  # two thirds are ham
        assert float(cross_entropy(logits, labels)) == pytest.approx(record[split]["loss"], rel=1e-2)


def test_training_record_is_complete_and_consistent(trained: Path, prepared: Prepared) -> None:
    record = record_of(trained)
    assert record["settings"]["learning_rate"] == SETTINGS.learning_rate
    assert record["corpus"]["fingerprint"] == prepared.fingerprint
    assert record["corpus"]["cleaning"]["read"] == 120
    assert {split: sizes["rows"] for split, sizes in record["splits"].items()} == {
        split: len(examples) for split, examples in prepared.splits.items()
    }
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1, 2, 3, 4, 5]
    assert all(epoch["train_loss"] > 0 for epoch in record["epochs"])
    kept = record["epochs"][record["selection"]["epoch"] - 1]
    lowest = min(record["epochs"], key=lambda epoch: epoch["calibrated_loss"])
    limit = lowest["calibrated_loss"] + lowest["loss_error"]
    within = [epoch for epoch in record["epochs"] if epoch["calibrated_loss"] <= limit]
    assert kept == within[-1]
    assert record["test"]["n"] == record["splits"]["test"]["rows"]
    assert record["test"]["one_per_cluster"]["n"] == record["splits"]["test"]["clusters"]
    [(name, figures)] = record["test"]["by_corpus"].items()
    assert name == "made.tsv"
    assert figures.items() >= record["test"]["one_per_cluster"].items()
    assert (trained / "cleaning.txt").read_text(encoding="utf-8") == prepared.report
    assert record["versions"].keys() >= {"python", "torch", "transformers"}
    assert record["seconds"] > 0
    assert len(record["base_model"]["weights_sha256"]) == 64


def test_model_is_that_of_selected_epoch_without_averaging(
    prepared: Prepared, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (fit, evaluation):
        monkeypatch.setattr(module, "select_epoch", lambda _: 0)
    train(prepared, tiny_base, tmp_path / "out", replace(SETTINGS, average=0, epochs=2))
    record = record_of(tmp_path / "out")
    first, second = (epoch["loss"] for epoch in record["epochs"])
    assert (record["selection"]["epoch"], record["selection"]["averaged"]) == (1, False)
    assert record["validation"]["loss"] == pytest.approx(first, abs=1e-6) != pytest.approx(second, abs=1e-6)


def test_same_seed_gives_identical_weights_and_other_seed_differs(
    trained: Path, prepared: Prepared, tiny_base: Path, tmp_path: Path
) -> None:
    train(prepared, tiny_base, tmp_path / "again")
    assert_equal_weights(trained, tmp_path / "again")
    train(prepared, tiny_base, tmp_path / "other", replace(SETTINGS, seed=7))
    assert not torch.equal(weights(trained)["classifier.weight"], weights(tmp_path / "other")["classifier.weight"])


def test_freeze_body_trains_only_classification_head(prepared: Prepared, tiny_base: Path, tmp_path: Path) -> None:
    train(prepared, tiny_base, tmp_path / "out", replace(SETTINGS, freeze_body=True, epochs=1))
    before = load_model(choose_base_model(str(tiny_base)), SETTINGS.seed).state_dict()
    changed = {name for name, tensor in weights(tmp_path / "out").items() if not torch.equal(tensor, before[name])}
    assert changed == {f"{layer}.{kind}" for layer in ("pre_classifier", "classifier") for kind in ("weight", "bias")}


@pytest.mark.parametrize("freeze", [True, False])
def test_embeddings_are_trained_unless_frozen(
    prepared: Prepared, tiny_base: Path, tmp_path: Path, freeze: bool
) -> None:
    train(prepared, tiny_base, tmp_path / "out", replace(SETTINGS, freeze_embeddings=freeze, epochs=1))
    before = load_model(choose_base_model(str(tiny_base)), SETTINGS.seed).state_dict()
    changed = {name for name, tensor in weights(tmp_path / "out").items() if not torch.equal(tensor, before[name])}
    assert any("transformer.layer.0" in name for name in changed)
    assert any("word_embeddings" in name for name in changed) is not freeze


def test_body_is_trained_only_after_freeze_epochs(prepared: Prepared, tiny_base: Path, tmp_path: Path) -> None:
    """Compare the body with the base model: equal after epoch 1, different after epoch 2."""
    settings = replace(SETTINGS, freeze_epochs=1, epochs=3)
    kept = tmp_path / "kept"

    def copy_partial_run(line: str) -> None:
        if "epoch 3 of 3" in line:
            shutil.copytree(tmp_path / ".out.partial", kept)
            raise Interrupted

    with pytest.raises(Interrupted):
        train(prepared, tiny_base, tmp_path / "out", settings, report=copy_partial_run)
    before = load_model(choose_base_model(str(tiny_base)), settings.seed).state_dict()
    folders = sorted(kept.rglob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))
    frozen, trained = (weights(folder) for folder in folders)
    body = {name for name in frozen if name.startswith("distilbert.")}
    assert {name for name in body if not torch.equal(frozen[name], before[name])} == set()
    assert not torch.equal(frozen["classifier.weight"], before["classifier.weight"])
    changed = {name for name in body if not torch.equal(trained[name], before[name])}
    assert changed == {name for name in body if "embeddings" not in name}


def test_sweep_tries_all_learning_rates_and_keeps_best(prepared: Prepared, tiny_base: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    train(prepared, tiny_base, tmp_path / "out", replace(SETTINGS, sweep=True, epochs=1), report=lines.append)
    record = record_of(tmp_path / "out")
    scores = {
        entry["learning_rate"]: selection_score(entry["validation"]["pr_auc"], entry["validation"]["loss"])
        for entry in record["sweep"]
    }
    assert tuple(scores) == SWEEP_LEARNING_RATES
    assert max(scores, key=lambda rate: scores[rate]) == record["settings"]["learning_rate"]
    assert sum("epoch 1 of 1" in line for line in lines) == 3


def test_resumed_run_gives_weights_of_uninterrupted_run(
    trained: Path, prepared: Prepared, tiny_base: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"

    def interrupt(line: str) -> None:
        if "epoch 2 of 5" in line:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(prepared, tiny_base, output, report=interrupt)
    assert not output.exists()
    lines: list[str] = []
    train(prepared, tiny_base, output, resume=True, report=lines.append)
    assert lines[0] == "resuming the interrupted run"
    assert [line.split(":")[0] for line in lines[1:]] == [f"lr 0.005, epoch {n} of 5" for n in (2, 3, 4, 5)]
    assert_equal_weights(trained, output)
    assert [epoch["epoch"] for epoch in record_of(output)["epochs"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "writer", ["spam_edge.training.averaging.save_file", "transformers.PreTrainedModel.save_pretrained"]
)
def test_full_disk_while_writing_weights_is_reported(
    prepared: Prepared, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str
) -> None:
    """Simulate the error, because a real full disk needs a mounted file system."""

    def raise_disk_full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(writer, raise_disk_full)
    with pytest.raises(InputError, match=r"out.*: cannot be written \(I/O error: No space left on device"):
        train(prepared, tiny_base, tmp_path / "out", replace(SETTINGS, epochs=1))
    assert not (tmp_path / "out").exists()


def test_resumed_run_keeps_precision_of_interrupted_run(
    prepared: Prepared, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The detected precision depends on a speed measurement, so it may differ between two runs."""
    lines: list[str] = []

    def interrupt(line: str) -> None:
        if "epoch 1" in line:
            raise Interrupted

    monkeypatch.setattr(hardware, "detect", lambda: Hardware("cpu", "Xeon", "fp32"))
    with pytest.raises(Interrupted):
        train(prepared, tiny_base, tmp_path / "out", replace(SETTINGS, epochs=2), report=interrupt)
    monkeypatch.setattr(hardware, "detect", lambda: Hardware("cpu", "Xeon", "bf16"))
    train(prepared, tiny_base, tmp_path / "out", replace(SETTINGS, epochs=2), resume=True, report=lines.append)
    assert lines[0] == "resuming the interrupted run"
    assert record_of(tmp_path / "out")["precision"] == "fp32"


def test_resume_without_matching_run_reports_new_start(prepared: Prepared, tiny_base: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    one_epoch = replace(SETTINGS, epochs=1)
    train(prepared, tiny_base, tmp_path / "out", one_epoch, resume=True, report=lines.append)
    assert lines[0] == "no interrupted run to resume; starting a new run"
    PartialRun(tmp_path / "out").begin({"settings": "others"}, resume=False)
    lines.clear()
    train(prepared, tiny_base, tmp_path / "out", one_epoch, resume=True, report=lines.append)
    assert lines[0] == "the interrupted run has different settings, data or versions; starting a new run"


def test_interrupted_run_keeps_earlier_checkpoint(prepared: Prepared, tiny_base: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "training.json").write_text("{}")

    def interrupt(line: str) -> None:
        if "epoch 1" in line:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(prepared, tiny_base, output, report=interrupt)
    assert (output / "training.json").read_text() == "{}"


def test_output_folder_that_is_not_checkpoint_is_refused(prepared: Prepared, tiny_base: Path, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is not a checkpoint; choose another --output"):
        train(prepared, tiny_base, tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_diverged_training_is_reported_with_remedy(
    prepared: Prepared, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(choose_base_model(str(tiny_base)), 1)
    torch.nn.init.constant_(model.classifier.bias, float("nan"))
    monkeypatch.setattr("spam_edge.training.model.base_model.load_model", lambda base, seed: model)
    with pytest.raises(InputError, match=r"training diverged .*; lower --learning-rate"):
        train(prepared, tiny_base, tmp_path / "out")


def test_incomplete_trainer_checkpoint_is_ignored(tmp_path: Path) -> None:
    for step, state in ((9, "{}"), (10, "{}"), (20, '{"epoch": ')):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-30").mkdir()
    assert last_whole_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    assert last_whole_checkpoint(tmp_path / "nothing") is None


def command(corpus: Path, base: Path, output: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "spam_edge.training", "--data", str(corpus), "--base-model", str(base),
        "--output", str(output), "--learning-rate", "5e-3", "--batch-size", "8", "--epochs", "12", *more,
    ]  # fmt: skip


@pytest.mark.parametrize(("sent_signal", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_interrupted_or_killed_command_continues_with_resume(
    corpus_file: Path, tiny_base: Path, tmp_path: Path, sent_signal: signal.Signals, code: int
) -> None:
    output = tmp_path / "checkpoint"
    process = subprocess.Popen(command(corpus_file, tiny_base, output), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    before = ""
    for line in process.stderr:
        before += line
        if "epoch 2 of 12" in line:
            break
    os.kill(process.pid, sent_signal)
    after = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=TIMEOUT) == code
    assert "Traceback" not in before + after
    if sent_signal is signal.SIGINT:
        assert after.splitlines()[-1] == (
            "Interrupted. Run the same command with --resume to continue after the last complete epoch."
        )
    assert not output.exists()
    completed = subprocess.run(
        command(corpus_file, tiny_base, output, "--resume"),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout == ""
    assert "resuming the interrupted run" in completed.stderr
    assert "epoch 1 of 12" not in completed.stderr
    assert "epoch 12 of 12" in completed.stderr
    assert len(record_of(output)["epochs"]) == 12
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
