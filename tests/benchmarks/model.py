"""What is measured: one checkpoint, the bundle made from it, and the folder where each engine keeps its own form."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from spam_edge.bundle import sha256_of

STAMP = "built.json"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Model:
    """A checkpoint and what is made of it.

    Attributes:
        name: name of the shape.
        checkpoint: folder of ``python -m spam_edge.training``, or one like it.
        cache: folder for what the engines build.
        bundle: folder of ``python -m export``; None where the benchmark exports one itself.
        weights: where the weights come from, for the report.
    """

    name: str
    checkpoint: Path
    cache: Path
    bundle: Path | None
    weights: str

    def to_json(self) -> str:
        """Return what :meth:`from_json` turns back into this, in another process."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote."""
        fields = json.loads(text)
        paths = {name: Path(fields[name]) for name in ("checkpoint", "cache")}
        return cls(**{**fields, **paths, "bundle": Path(fields["bundle"]) if fields["bundle"] else None})

    @cached_property
    def config(self) -> dict[str, Any]:
        """The checkpoint's ``config.json``."""
        config: dict[str, Any] = json.loads((self.checkpoint / "config.json").read_bytes())
        return config

    @cached_property
    def max_length(self) -> int:
        """Number of tokens a message was cut to in training."""
        return int(json.loads((self.checkpoint / "training.json").read_bytes())["settings"]["max_length"])

    @property
    def linear_macs(self) -> tuple[int, int]:
        """Multiplications of the linear layers: per token in the transformer, per message in the head."""
        width, hidden = int(self.config["dim"]), int(self.config["hidden_dim"])
        per_token = int(self.config["n_layers"]) * (4 * width * width + 2 * width * hidden)
        return per_token, width * width + 2 * width

    def describe(self) -> dict[str, Any]:
        """Return what the report says of the model."""
        names = ("dim", "hidden_dim", "n_layers", "n_heads", "vocab_size")
        return {name: self.config[name] for name in names} | {"max_length": self.max_length, "weights": self.weights}


def build_once(folder: Path, source: Mapping[str, str], build: Callable[[Path], object]) -> Path:
    """Fill a folder, unless it was filled from the same source before; the stamp that says so is written last."""
    stamp = folder / STAMP
    if not (stamp.is_file() and json.loads(stamp.read_bytes()) == dict(source)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        build(folder)
        stamp.write_text(json.dumps(dict(source), indent=2) + "\n", encoding="utf-8")
    return folder


def identity(model: Model) -> str:
    """Return the sha256 of the weights."""
    return sha256_of(model.checkpoint / WEIGHTS)
