"""The parts ``inference``: the floating-point files on the device against PyTorch in fp32."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.parity.gate import compare
from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.locate import Bundle
from spam_edge.decision.comparison import Decision
from spam_edge.errors import ProviderUnavailableError
from spam_edge.runtime.providers import CPU, CUDA
from tests.gpu.models import FLOATS, REFERENCE, Messages, message_sets
from tests.gpu.parts import Save
from tests.gpu.placement import operators_by_provider
from tests.gpu.settings import READY, Settings

Logits = NDArray[np.float32]


def measure(settings: Settings, save: Save, shape: str) -> None:
    """Compare every variant for the device with the reference, and say what runs where."""
    bundle = Bundle.find(settings.bundle_of(shape))
    provider = CUDA if settings.cuda else CPU
    auto = SpamClassifier(bundle, RuntimeOptions())
    save(device=settings.device, auto={"variant": auto.variant, "provider": auto.provider})
    save(refused={name: _refusal(bundle, name) for name in ("int8", "fused") if name in bundle.manifest.variants})
    sets = dict(message_sets(settings, bundle.path, settings.checkpoint_of(shape), shape))
    with np.load(settings.folder_of(shape) / REFERENCE) as file:
        expected = dict(file)
    save(reference=json.loads((settings.folder_of(shape) / READY).read_bytes())["reference"])
    found: dict[str, Any] = {}
    for name, variant in bundle.manifest.variants.items():
        if name in FLOATS and provider in variant.providers:
            found[name] = _examine(bundle, RuntimeOptions(device=settings.device, variant=name), sets, expected)
            save(variants=found)


def _examine(
    bundle: Bundle, options: RuntimeOptions, sets: dict[str, Messages], expected: dict[str, Logits]
) -> dict[str, Any]:
    classifier = SpamClassifier(bundle, options)
    decision = Decision.of(bundle.manifest)
    found: dict[str, Any] = {"provider": classifier.provider, "error_band": _band(bundle, options.variant), "sets": {}}
    for name, messages in sets.items():
        logits = classifier.logits(messages.texts)
        parity = compare(options.variant, name, measured=logits, reference=expected[name], decision=decision)
        found["sets"][name] = parity.to_dict() | {
            "max_margin_error": float(np.abs(_margins(logits) - _margins(expected[name])).max()),
            "rates": _rates(decision, logits, messages.is_spam),
            "rates_of_reference": _rates(decision, expected[name], messages.is_spam),
        }
    found["batching"] = _batch_dependence(classifier, decision, sets["golden"].texts)
    found["operators"] = operators_by_provider(bundle.path, options)
    return found


def _band(bundle: Bundle, variant: str) -> float | None:
    return bundle.manifest.variants[variant].error_band


def _batch_dependence(classifier: SpamClassifier, decision: Decision, texts: list[str]) -> dict[str, float]:
    """Return the differences of logits and scores between messages alone and in one batch, and between two runs."""
    together, again = classifier.logits(texts), classifier.logits(texts)
    alone = np.concatenate([classifier.logits([text]) for text in texts])
    return {
        "n": len(texts),
        "max_abs_dlogit": float(np.abs(alone - together).max()),
        "max_abs_dp": decision.compare(alone, together).largest,
        "max_abs_dlogit_again": float(np.abs(again - together).max()),
    }


def _refusal(bundle: Bundle, variant: str) -> str:
    """Return the error of a variant on CUDA; empty if it opens."""
    try:
        SpamClassifier(bundle, RuntimeOptions(device="cuda", variant=variant))
    except ProviderUnavailableError as error:
        return str(error)
    return ""


def _rates(decision: Decision, logits: Logits, is_spam: NDArray[np.bool_] | None) -> dict[str, float]:
    if is_spam is None:
        return {}
    called = decision.calibration.scores(logits) >= decision.threshold
    kinds = {"false_positive_rate": ~is_spam, "recall": is_spam}
    return {name: float(called[rows].mean()) for name, rows in kinds.items() if rows.any()}


def _margins(logits: Logits) -> Logits:
    margins: Logits = logits[:, 1] - logits[:, 0]
    return margins
