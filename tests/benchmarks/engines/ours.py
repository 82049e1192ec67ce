"""spam-edge through its public API."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from export.sources import PATTERNS, code_fingerprint
from spam_edge.decision.calibration import Calibration
from tests.benchmarks.engines.base import ONE_CALL, Engine, Scores
from tests.benchmarks.model import build_once, identity


class Ours(Engine):
    """The CPU defaults, with the SHA-256 check at each start."""

    title = "spam-edge"
    precision = "int8"
    settings = "SpamClassifier.score, with its own variant, order, batches and threads"
    modules = ("onnxruntime", "tokenizers")
    modes = (ONE_CALL,)
    variant: ClassVar[str] = "auto"

    @property
    def bundle(self) -> Path:
        """The given bundle, or the one exported by :meth:`build`."""
        return self.model.bundle or self.model.cache / "bundle" / "exported"

    def build(self) -> None:
        """Export the checkpoint, parity gate included, if no bundle was given."""
        if self.model.bundle is None:
            source = {"weights": identity(self.model), "exporter": code_fingerprint(PATTERNS["bundle"])}
            build_once(self.bundle.parent, source, lambda _: self._export())

    def files(self) -> Iterable[Path]:
        """Return the model file in use and its weights."""
        from spam_edge.bundle.locate import Bundle
        from spam_edge.runtime.providers import CPU
        from spam_edge.runtime.session import choose_variant

        bundle = Bundle.find(self.bundle)
        variants = bundle.manifest.variants
        return [bundle.file(name) for name in variants[choose_variant(variants, CPU, self.variant)].needs]

    def load(self) -> None:
        """Load the bundle."""
        from spam_edge import RuntimeOptions, SpamClassifier

        options = RuntimeOptions(device="cpu", variant=self.variant, threads=self.threads)
        self._classifier = SpamClassifier.load(self.bundle, options)
        self.detail = f"variant {self._classifier.variant}, bundle {self._classifier.bundle.digest[:12]}"

    def classify(self, texts: Sequence[str]) -> Scores:
        """Score all messages in one call."""
        return self._classifier.score(texts)

    def comparable(self, scores: Scores) -> Scores:
        """Undo the temperature scaling."""
        calibration = Calibration.of(self._classifier.manifest)
        return Calibration().scores_of(np.array([calibration.margin_of(float(score)) for score in scores]))

    def _export(self) -> None:
        from export.assembly import export_bundle

        def report(line: str) -> None:
            print(line, file=sys.stderr, flush=True)

        export_bundle(self.model.checkpoint, self.bundle, name=self.model.name, version="0", report=report)


class OursInt8(Ours):
    """The int8 variant as a graph of onnxruntime's own operators, for machines that cannot run the fused one."""

    title = "spam-edge, int8 graph"
    settings = "as spam-edge, with variant int8"
    variant = "int8"
