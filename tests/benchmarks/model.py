"""The benchmarked model: a checkpoint, its bundle, and a cache for each engine's own format."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from spam_edge.bundle.hashes import sha256_of

STAMP = "built.json"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Model:
    """A checkpoint and the files built from it.

    Attributes:
        name: name of the shape.
        checkpoint: folder of ``python -m spam_edge.training``, or one like it.
        cache: folder for the files that the engines build.
        bundle: folder of ``python -m export``; None if the benchmark exports one itself.
        weights: origin of the weights, for the report.
    """

    name: str
    checkpoint: Path
    cache: Path
    bundle: Path | None
    weights: str

    def to_json(self) -> str:
        """Serialise for :meth:`from_json` in another process."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse the output of :meth:`to_json`."""
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
        """Token limit of a message in training."""
        return int(json.loads((self.checkpoint / "training.json").read_bytes())["settings"]["max_length"])

    @property
    def linear_macs(self) -> tuple[int, int]:
        """Multiply-adds of the linear layers: per token in the transformer, per message in the head."""
        width, hidden = int(self.config["dim"]), int(self.config["hidden_dim"])
        per_token = int(self.config["n_layers"]) * (4 * width * width + 2 * width * hidden)
        return per_token, width * width + 2 * width

    def describe(self) -> dict[str, Any]:
        """Return the description of the model for the report."""
        names = ("dim", "hidden_dim", "n_layers", "n_heads", "vocab_size")
        return {name: self.config[name] for name in names} | {"max_length": self.max_length, "weights": self.weights}


def build_once(folder: Path, source: Mapping[str, str], build: Callable[[Path], object]) -> Path:
    """Build into a folder unless it was built from the same source. The stamp is written last."""
    stamp = folder / STAMP
    if not (stamp.is_file() and json.loads(stamp.read_bytes()) == dict(source)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        build(folder)
        stamp.write_text(json.dumps(dict(source), indent=2) + "\n", encoding="utf-8")
    return folder


def identity(model: Model) -> str:
    """Return the SHA-256 of the weights."""
    return sha256_of(model.checkpoint / WEIGHTS)
