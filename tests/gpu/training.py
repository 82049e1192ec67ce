"""The parts ``train`` and ``train random``: training by its command, with the defaults, on CUDA."""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from spam_edge.training.data.mixture import mix
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import PACKAGED, load_corpus
from spam_edge.training.data.splits import NOTICES
from spam_edge.training.settings import TrainingSettings
from tests.gpu.parts import ROOT, Save
from tests.gpu.settings import Settings
from tests.hub.contents import write_random_model, write_tiny_model

_FEW = 400
_METRICS = ("n", "n_spam", "accuracy", "f1", "mcc", "pr_auc", "recall_at_fpr_0.1pct", "recall_at_fpr_0.5pct")


def train_packaged(settings: Settings, save: Save) -> None:
    """Train the packaged base; without CUDA a tiny model on few messages."""
    if settings.torch_cuda:
        _train(settings.work / "checkpoint", save, base=PACKAGED, data=PACKAGED)
        return
    base, data = settings.work / "tiny-base", settings.work / "few.csv"
    if not base.is_dir():
        base.mkdir(parents=True)
        write_tiny_model(base)
    _write_few(data)
    _train(settings.work / "tiny-checkpoint", save, "--epochs", "1", base=str(base), data=str(data))


def train_random(settings: Settings, save: Save) -> None:
    """Train a DistilBERT-base with random weights: the speed is that of the real one, the metrics are not."""
    base = settings.work / "random-base"
    if not base.is_dir():
        base.mkdir(parents=True)
        write_random_model(base)
    _train(settings.work / "random-checkpoint", save, base=str(base), data=PACKAGED)


def _train(output: Path, save: Save, *options: str, base: str, data: str) -> None:
    command = [
        sys.executable,
        "-m",
        "spam_edge.training",
        "--data",
        data,
        "--base-model",
        base,
        "--output",
        str(output),
    ]
    began = time.monotonic()
    subprocess.run([*command, *options], cwd=ROOT, check=True)
    save(command_s=time.monotonic() - began)
    record: dict[str, Any] = json.loads((output / "training.json").read_bytes())
    messages = _messages_per_epoch(output, record["settings"]) * len(record["epochs"])
    save(
        base=record["base_model"]["name"],
        hardware=record["hardware"],
        settings=record["settings"],
        messages=messages,
        seconds=record["seconds"],
        messages_per_s=messages / record["seconds"],
        validation_loss=record["validation"]["loss"],
        test={name: record["test"][name] for name in _METRICS if name in record["test"]},
    )


def _messages_per_epoch(checkpoint: Path, settings: dict[str, Any]) -> int:
    lines = (checkpoint / "splits" / "train.jsonl").read_bytes().splitlines()
    corpora = [json.loads(line).get("corpus", ()) for line in lines]
    examples = [SimpleNamespace(template=NOTICES in names or None) for names in corpora]
    known = {name: value for name, value in settings.items() if name in TrainingSettings.__dataclass_fields__}
    return len(mix(cast("Any", examples), TrainingSettings(**known)))


def _write_few(path: Path) -> None:
    """Write the first messages of the packaged corpus."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["label", "text"])
        messages = load_corpus([PACKAGED], CorpusOptions()).messages[:_FEW]
        rows.writerows([message.label, message.text] for message in messages)
