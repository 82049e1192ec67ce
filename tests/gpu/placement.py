"""Which operators onnxruntime runs on which execution provider, read from its profile."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from spam_edge.bundle.locate import Bundle
from spam_edge.options import RuntimeOptions
from spam_edge.runtime.engine import import_onnxruntime
from spam_edge.runtime.providers import _PROVIDER_OPTIONS
from spam_edge.runtime.session import open_session


def operators_by_provider(path: Path, options: RuntimeOptions) -> dict[str, dict[str, int]]:
    """Run two messages of unequal length, and count the operators that ran, by execution provider.

    Args:
        path: the bundle.
        options: select device and variant.

    Returns:
        Counts by operator, by execution provider.
    """
    bundle = Bundle.find(path)
    chosen = open_session(bundle, options)  # loads the libraries of CUDA as well
    variant = bundle.manifest.variants[chosen.variant]
    engine = import_onnxruntime()
    ids = np.arange(1, 17).reshape(2, 8)
    mask = np.array([[1] * 8, [1] * 5 + [0] * 3])
    with TemporaryDirectory(prefix="spam-edge-profile-") as folder:
        settings = engine.SessionOptions()
        settings.enable_profiling = True
        settings.profile_file_prefix = str(Path(folder) / "profile")
        settings.log_severity_level = 3
        if variant.optimization == "disabled":
            settings.graph_optimization_level = engine.GraphOptimizationLevel.ORT_DISABLE_ALL
        providers = [(chosen.provider, dict(_PROVIDER_OPTIONS[chosen.provider]))]
        session = engine.InferenceSession(str(bundle.file(chosen.file)), settings, providers=providers)
        session.run(None, chosen._feed(ids, mask))
        events = json.loads(Path(session.end_profiling()).read_bytes())
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for event in events:
        arguments = event.get("args", {})
        if "provider" in arguments and "op_name" in arguments:
            found[arguments["provider"]][arguments["op_name"]] += 1
    return {provider: dict(counts) for provider, counts in found.items()}
