"""What every part of a run is given, and where parts leave files for one another."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

BASE, WIDE = "base", "distilbert-base"
SHAPES = (BASE, WIDE)
"""Shapes of the model: the packaged base, and every unit of it doubled, which is DistilBERT-base's."""
OURS = "spam-edge"
"""Title of our engine."""
OWN_SETS = ("golden", "test", "corpus")
"""Sets of messages that a run has without labelled files."""
NO_DEVICE = "no CUDA device"
O4 = "o4"
"""Folder of the file that Optimum makes with its level O4, for comparison."""
READY = "ready.json"
"""Figures of the part ``bundle``, written last: the folder of the shape is complete."""


class SkippedError(Exception):
    """A part cannot run here; its text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a run.

    Attributes:
        work: folder of checkpoints, bundles and logs.
        cuda: onnxruntime runs a model on CUDA. Without it, parts run in a small form on the CPU or are skipped.
        torch_cuda: torch sees a CUDA device.
        bundle: bundle that was brought along; None to export one from the checkpoint.
        checkpoint: checkpoint that was brought along; None for the one that the run trains.
        extras: labelled files by name.
        full: every message is used; otherwise few.
        began: time at which the process of the part was started, in seconds since the epoch.
    """

    work: Path
    cuda: bool = False
    torch_cuda: bool = False
    bundle: Path | None = None
    checkpoint: Path | None = None
    extras: dict[str, Path]
    full: bool = False
    began: float = 0.0

    def to_json(self) -> str:
        """Serialise for :meth:`from_json` in the process of a part."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse the output of :meth:`to_json`."""
        fields: dict[str, Any] = json.loads(text)
        paths = {name: Path(fields[name]) for name in ("work", "bundle", "checkpoint") if fields[name] is not None}
        extras = {name: Path(path) for name, path in fields["extras"].items()}
        return cls(**{**fields, **paths, "extras": extras})

    @property
    def device(self) -> str:
        """Device of the runtime: ``cuda`` or ``cpu``."""
        return "cuda" if self.cuda else "cpu"

    def folder_of(self, shape: str) -> Path:
        """Return the folder of the bundle, texts and reference scores of a shape."""
        return self.work / shape

    def bundle_of(self, shape: str) -> Path:
        """Return the bundle of a shape.

        Raises:
            SkippedError: no part has made it.
        """
        bundle = self.folder_of(shape) / "bundle"
        if not (bundle / "manifest.json").is_file():
            raise SkippedError(f"no bundle of {shape}: its part failed or was left out")
        return bundle

    @property
    def trained(self) -> Path | None:
        """The checkpoint that was brought along, else the one that the run has trained; None if there is neither."""
        return _whole(self.checkpoint or self.work / "checkpoint")

    def checkpoint_of(self, shape: str) -> Path | None:
        """Return the checkpoint that the bundle of a shape was made from; None if it was not brought along."""
        if shape != BASE:
            return _whole(self.folder_of(shape) / "checkpoint")
        return self.trained if self.bundle is None or self.checkpoint is not None else None

    def texts_of(self, shape: str) -> list[str]:
        """Return the messages on which the engines are timed; raises as :meth:`bundle_of`."""
        self.bundle_of(shape)
        texts: list[str] = json.loads((self.folder_of(shape) / "texts.json").read_bytes())
        return texts


def _whole(checkpoint: Path) -> Path | None:
    return checkpoint if (checkpoint / "training.json").is_file() else None
