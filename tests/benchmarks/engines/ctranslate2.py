"""CTranslate2: the encoder in int8, and the classification head, which it cannot convert, in numpy."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.engines.base import SIDE_BY_SIDE, BatchedEngine
from tests.benchmarks.engines.tokens import with_tokenizers
from tests.benchmarks.model import WEIGHTS, build_once, identity

HEAD = "head.npz"


class CTranslate2(BatchedEngine):
    """``ctranslate2.Encoder`` on lists of token ids, which it pads itself."""

    title = "CTranslate2 int8"
    precision = "int8"
    settings = "Encoder.forward_batch, compute_type int8; head in numpy; torch kept out of the process"
    modules = ("ctranslate2", "tokenizers", "transformers", "torch", "safetensors")

    @property
    def folder(self) -> Path:
        """Folder of the converted encoder."""
        return self.model.cache / "ctranslate2-int8"

    def build(self) -> None:
        """Convert the encoder and save the head beside it."""
        build_once(self.folder, {"weights": identity(self.model)}, self._convert)

    def files(self) -> Iterable[Path]:
        """Return the files of encoder and head."""
        return [self.folder / name for name in ("model.bin", "config.json", "vocabulary.json", HEAD)]

    def load(self) -> None:
        """Load encoder and head."""
        # ctranslate2 imports torch for its converters if it is installed: 1 s and 200 MiB that inference does not need.
        sys.modules["torch"] = None  # type: ignore[assignment]
        self._encode = with_tokenizers(self.model)
        self._head = dict(np.load(self.folder / HEAD))
        self._open(runs=1, threads=self.threads)

    def enter(self, mode: str) -> None:
        """Reload the encoder if the number of threads changes, because it is fixed at construction."""
        if (mode == SIDE_BY_SIDE) != (self.mode == SIDE_BY_SIDE):
            del self._encoder
            self._open(*((self.threads, 1) if mode == SIDE_BY_SIDE else (1, self.threads)))
        super().enter(mode)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenise with the tokenizers library."""
        return self._encode(texts)

    def run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Run the encoder, then the head on the first token."""
        hidden = np.array(self._encoder.forward_batch(list(rows)).last_hidden_state)[:, 0]
        head = self._head
        pooled = np.maximum(hidden @ head["pre_classifier.weight"].T + head["pre_classifier.bias"], 0)
        logits: NDArray[np.float32] = pooled @ head["classifier.weight"].T + head["classifier.bias"]
        return logits

    def _open(self, runs: int, threads: int) -> None:
        import ctranslate2

        self._encoder = ctranslate2.Encoder(
            str(self.folder), device="cpu", compute_type="int8", inter_threads=runs, intra_threads=threads
        )
        self.detail = f"computes in {self._encoder.compute_type}"

    def _convert(self, folder: Path) -> None:
        from ctranslate2.converters import TransformersConverter
        from safetensors.numpy import load_file

        TransformersConverter(str(self.model.checkpoint)).convert(str(folder), quantization="int8", force=True)
        weights = load_file(self.model.checkpoint / WEIGHTS)
        head: Any = {name: array for name, array in weights.items() if "classifier" in name}
        np.savez(folder / HEAD, **head)
