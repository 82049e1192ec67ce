"""spam-edge itself, used as its users use it."""

import sys
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import numpy as np

from spam_edge.scores import margin_at
from tests.benchmarks.engines.base import ONE_CALL, Engine, Scores
from tests.benchmarks.model import build_once, identity

EXPORTER = Path(__file__).parents[3] / "export"


class Ours(Engine):
    """What users get by default on the CPU, files checked by sha256 at each start as always."""

    title = "spam-edge"
    precision = "int8"
    settings = "SpamClassifier.score, the file of its choice, its own order, batches and threads"
    modules = ("onnxruntime", "tokenizers")
    modes = (ONE_CALL,)
    variant: ClassVar[str] = "auto"

    @property
    def bundle(self) -> Path:
        """The bundle that was given, or the one made here."""
        return self.model.bundle or self.model.cache / "bundle" / "exported"

    def build(self) -> None:
        """Export the checkpoint with the exporter of this repository, gate included, if no bundle was given."""
        if self.model.bundle is None:
            code = sha256(b"".join(path.read_bytes() for path in sorted(EXPORTER.glob("*.py")))).hexdigest()
            source = {"weights": identity(self.model), "exporter": code}
            build_once(self.bundle.parent, source, lambda _: self._export())

    def files(self) -> Iterable[Path]:
        """Return the file that is opened, and that with its weights."""
        from spam_edge.bundle import Bundle
        from spam_edge.engine import CPU
        from spam_edge.session import choose_variant

        bundle = Bundle.find(self.bundle)
        variants = bundle.manifest.variants
        return [bundle.file(name) for name in variants[choose_variant(variants, CPU, self.variant)].needs]

    def load(self) -> None:
        """Open the bundle."""
        from spam_edge import RuntimeOptions, SpamClassifier

        options = RuntimeOptions(device="cpu", variant=self.variant, threads=self.threads)
        self._classifier = SpamClassifier.load(self.bundle, options)
        self.detail = f"variant {self._classifier.variant}, bundle {self._classifier.bundle.digest[:12]}"

    def classify(self, texts: Sequence[str]) -> Scores:
        """Score all messages in one call."""
        return self._classifier.score(texts)

    def comparable(self, scores: Scores) -> Scores:
        """Take the calibration out again."""
        temperature = self._classifier.manifest.temperature
        margins = [margin_at(float(score), temperature=temperature) for score in scores]
        return (0.5 * (1 + np.tanh(0.5 * np.array(margins)))).astype(np.float32)

    def _export(self) -> None:
        from export.assemble import export_bundle

        def report(line: str) -> None:
            print(line, file=sys.stderr, flush=True)

        export_bundle(self.model.checkpoint, self.bundle, name=self.model.name, version="0", report=report)


class OursInt8(Ours):
    """The int8 file as a graph of onnxruntime's own operators: what runs where the fused one cannot."""

    title = "spam-edge, int8 graph"
    settings = "as spam-edge, with variant int8"
    variant = "int8"
