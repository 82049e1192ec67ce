"""One fold through the pipeline that ships: train, export, open the bundle."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.assemble import export_bundle
from export.reference import PyTorchReference
from spam_edge.classifier import SpamClassifier
from spam_edge.session import RuntimeOptions
from spam_edge.training.base_model import BaseModel
from spam_edge.training.corpus import Prepared
from spam_edge.training.run import train
from spam_edge.training.settings import TrainingSettings
from spam_edge.training.splits import fingerprint

VARIANT = "int8"
_DONE, _EXPORTED = "fold.json", "exported.txt"
_ROOT = Path(__file__).parents[2]


class Pipeline:
    """Trains and exports folds, each in a folder of its own; what is finished there is taken as it is.

    Args:
        base: model that is fine-tuned.
        settings: of the training.
        folder: where the folds are kept.
        report: called with each line of progress.
    """

    def __init__(
        self, base: BaseModel, settings: TrainingSettings, *, folder: Path, report: Callable[[str], None]
    ) -> None:
        self.base, self.settings, self.folder = base, settings, folder
        self._report = report

    def checkpoint(self, name: str, prepared: Prepared) -> Path:
        """Train on one fold and return its checkpoint."""
        path = self.folder / name / "checkpoint"
        identity = json.dumps(
            {
                "settings": asdict(self.settings),
                "base": self.base.name,
                "sides": {side: fingerprint(examples) for side, examples in prepared.sides.items()},
                "code": code_fingerprint(
                    "spam_edge/training/*.py", "spam_edge/training/notices/*.py", "spam_edge/normalization/*.py"
                ),
            },
            sort_keys=True,
        )
        mark = self.folder / name / _DONE
        if mark.is_file() and mark.read_text(encoding="utf-8") == identity:
            self._report(f"{name}: trained already")
            return path
        shutil.rmtree(self.folder / name, ignore_errors=True)
        train(prepared, self.base, self.settings, output=path, report=lambda line: self._report(f"{name}: {line}"))
        mark.write_text(identity, encoding="utf-8")
        return path

    def classifier(self, name: str, prepared: Prepared) -> SpamClassifier:
        """Train and export one fold, and open the int8 file of its bundle."""
        checkpoint = self.checkpoint(name, prepared)
        bundle, mark = self.folder / name / "bundle", self.folder / name / _EXPORTED
        identity = code_fingerprint("spam_edge/**/*.py", "spam_edge/native/*.[ch]", "export/*.py", "export/*.jsonl")
        if not (bundle.is_dir() and mark.is_file() and mark.read_text(encoding="utf-8") == identity):
            # The gate is for what ships: a label that rounding flips is one more error here, and counted as such.
            export_bundle(
                checkpoint,
                bundle,
                name=name,
                version="0",
                report=lambda line: self._report(f"{name}: {line}"),
                enforce=False,
            )
            mark.write_text(identity, encoding="utf-8")
        return SpamClassifier.load(bundle, RuntimeOptions(device="cpu", variant=VARIANT))


def code_fingerprint(*patterns: str) -> str:
    """Return the sha256 of the files of this checkout that match, so that nothing is taken for what other code made."""
    files = sorted({path for pattern in patterns for path in _ROOT.glob(pattern)})
    return sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


def pytorch_margins(checkpoint: Path, texts: list[str], *, max_length: int) -> NDArray[np.float32]:
    """Return the difference of the two logits of PyTorch in fp32, shape (messages,)."""
    logits = PyTorchReference(checkpoint, max_length=max_length).logits(texts)
    margins: NDArray[np.float32] = logits[:, 1] - logits[:, 0]
    return margins
