"""spam-edge itself, used as its users use it."""

import sys
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from spam_edge.scores import margin_at
from tests.benchmarks.engines.base import ONE_CALL, Engine, Scores
from tests.benchmarks.model import build_once, identity

EXPORTER = Path(__file__).parents[3] / "export"


class Ours(Engine):
    """The int8 file of the bundle on the CPU, files checked by sha256 at each start as always."""

    title = "spam-edge, int8"
    precision = "int8"
    settings = "SpamClassifier.score, int8 file, its own order, batches and threads"
    modules = ("onnxruntime", "tokenizers")
    modes = (ONE_CALL,)

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
        """Return the int8 file."""
        from spam_edge.bundle import Bundle

        bundle = Bundle.find(self.bundle)
        return [bundle.file(bundle.manifest.variants["int8"].file)]

    def load(self) -> None:
        """Open the bundle."""
        from spam_edge import RuntimeOptions, SpamClassifier

        options = RuntimeOptions(device="cpu", variant="int8", threads=self.threads)
        self._classifier = SpamClassifier.load(self.bundle, options)
        self.detail = f"bundle {self._classifier.bundle.digest[:12]}"

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
