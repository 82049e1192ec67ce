"""Train, export and open one fold with the pipeline of the shipped model."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.assembly import export_bundle
from export.reference import PyTorchReference
from export.sources import PATTERNS, code_fingerprint
from spam_edge.classifier import SpamClassifier
from spam_edge.options import RuntimeOptions
from spam_edge.training.data.corpus import Prepared
from spam_edge.training.data.splits import fingerprint
from spam_edge.training.model.base_model import BaseModel
from spam_edge.training.run import train
from spam_edge.training.settings import TrainingSettings

VARIANT = "int8"
_BEGUN, _DONE, _EXPORTED = "begun.json", "fold.json", "exported.txt"


class Pipeline:
    """Trains and exports folds, one folder each, and reuses what is up to date.

    Args:
        base: model to fine-tune.
        settings: training settings.
        folder: parent of the folds' folders.
        report: called with each line of progress.
    """

    def __init__(
        self, base: BaseModel, settings: TrainingSettings, *, folder: Path, report: Callable[[str], None]
    ) -> None:
        self.base, self.settings, self.folder = base, settings, folder
        self._report = report

    def checkpoint(self, name: str, prepared: Prepared) -> Path:
        """Train on one fold, or continue an interrupted training, and return the path of its checkpoint."""
        path = self.folder / name / "checkpoint"
        identity = json.dumps(
            {
                "settings": asdict(self.settings),
                "base": self.base.name,
                "splits": {split: fingerprint(examples) for split, examples in prepared.splits.items()},
                "code": code_fingerprint(PATTERNS["checkpoint"]),
            },
            sort_keys=True,
        )
        begun, done = self.folder / name / _BEGUN, self.folder / name / _DONE
        if _is_marked(done, identity):
            self._report(f"{name}: trained already")
            return path
        if not _is_marked(begun, identity):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir(parents=True)
            begun.write_text(identity, encoding="utf-8")
        report = partial(self._report_fold, name)
        train(prepared, self.base, self.settings, output=path, report=report, resume=True)
        done.write_text(identity, encoding="utf-8")
        return path

    def classifier(self, name: str, prepared: Prepared) -> SpamClassifier:
        """Train and export one fold, and open the int8 variant of its bundle."""
        checkpoint = self.checkpoint(name, prepared)
        bundle, mark = self.folder / name / "bundle", self.folder / name / _EXPORTED
        identity = code_fingerprint(PATTERNS["bundle"])
        if not (bundle.is_dir() and _is_marked(mark, identity)):
            # The parity gate is for shipped bundles. Here a label that quantisation flips counts as a model error.
            export_bundle(
                checkpoint,
                bundle,
                name=name,
                version="0",
                report=partial(self._report_fold, name),
                enforce=False,
            )
            mark.write_text(identity, encoding="utf-8")
        return SpamClassifier.load(bundle, RuntimeOptions(device="cpu", variant=VARIANT))

    def _report_fold(self, name: str, line: str) -> None:
        self._report(f"{name}: {line}")


def _is_marked(mark: Path, identity: str) -> bool:
    return mark.is_file() and mark.read_text(encoding="utf-8") == identity


def pytorch_margins(checkpoint: Path, texts: list[str], *, max_length: int) -> NDArray[np.float32]:
    """Return the logit margins (spam minus ham) of PyTorch in fp32, shape (messages,)."""
    logits = PyTorchReference(checkpoint, max_length=max_length).logits(texts)
    margins: NDArray[np.float32] = logits[:, 1] - logits[:, 0]
    return margins
