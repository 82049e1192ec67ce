"""What runs here and where: the content of ``spam-edge info``."""

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from spam_edge import __version__
from spam_edge.engine import import_onnxruntime
from spam_edge.processor import this_processor

if TYPE_CHECKING:
    from spam_edge.classifier import SpamClassifier


def describe(classifier: "SpamClassifier") -> dict[str, Any]:
    """Return bundle, model, variant, provider, threads, thresholds and versions, as JSON."""
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
        "threads": classifier.threads,
        "exact": classifier.options.exact,
        "labels": list(manifest.labels),
        "threshold": classifier.threshold,
        "mode": classifier.operating_point.mode,
        "modes": {
            mode: {"threshold": threshold, "same_as": manifest.same_as(mode)}
            | manifest.metrics.get("modes", {}).get(mode, {})
            for mode, threshold in manifest.thresholds.items()
        },
        "unsure": manifest.metrics.get("unsure", {}),
        "controls": manifest.metrics.get("controls", {}),
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
