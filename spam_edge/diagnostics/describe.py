"""The model, its settings and the library versions: the content of ``spam-edge info``."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Protocol

from spam_edge import __version__
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import Manifest
from spam_edge.bundle.metrics import RATES
from spam_edge.decision.operating_points import OperatingPoint
from spam_edge.options import RuntimeOptions
from spam_edge.runtime.engine import import_onnxruntime
from spam_edge.runtime.processor import this_processor


class Describable(Protocol):
    """The part of the classifier interface used here; importing the classifier would be a cycle."""

    bundle: Bundle
    options: RuntimeOptions
    operating_point: OperatingPoint

    @property
    def manifest(self) -> Manifest:
        """The manifest of the bundle."""

    @property
    def threshold(self) -> float:
        """Lowest score with the positive label."""

    @property
    def variant(self) -> str:
        """Name of the ONNX file in use."""

    @property
    def file(self) -> str:
        """Path of the ONNX file in use, relative to the bundle."""

    @property
    def provider(self) -> str:
        """The onnxruntime execution provider in use."""

    @property
    def instructions(self) -> str | None:
        """The instruction set of the fused operator; None for other variants."""

    @property
    def threads(self) -> int:
        """Number of concurrent inferences."""


def describe(classifier: Describable) -> dict[str, Any]:
    """Return bundle, model, variant, provider, instruction set, threads, thresholds and versions, JSON-compatible."""
    manifest = classifier.manifest
    return {
        "bundle": str(classifier.bundle.path),
        "name": manifest.name,
        "version": manifest.version,
        "digest": classifier.bundle.digest,
        "variant": classifier.variant,
        "file": classifier.file,
        "provider": classifier.provider,
        "processor": this_processor().description,
        "instructions": classifier.instructions,
        "threads": classifier.threads,
        "exact": classifier.options.exact,
        "labels": list(manifest.labels),
        "threshold": classifier.threshold,
        "mode": classifier.operating_point.mode,
        "modes": {
            mode: {"threshold": threshold, "same_as": manifest.same_as(mode)}
            | _rates(manifest.metrics, mode)
            | {"today": _rates(manifest.metrics.get("today", {}), mode)}
            for mode, threshold in manifest.thresholds.items()
        },
        "unsure": manifest.metrics.get("unsure", {}),
        "controls": manifest.metrics.get("controls", {}),
        "gpu": manifest.metrics.get("gpu", {}),
        "max_length": manifest.max_length,
        "variants": {name: entry.bytes for name, entry in manifest.variants.items()},
        "versions": {
            "spam_edge": __version__,
            "onnxruntime": import_onnxruntime().__version__,
            "tokenizers": version("tokenizers"),
            "numpy": version("numpy"),
            "python": platform.python_version(),
        },
    }


def _rates(metrics: Mapping[str, Any], mode: str) -> dict[str, Any]:
    measured = metrics.get("modes", {}).get(mode, {})
    return {name: measured[name] for name in RATES if name in measured}
