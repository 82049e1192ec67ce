"""The parts ``inference``: the floating-point files on the device against PyTorch in fp32."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.checkpoint import Checkpoint
from export.parity.gate import compare
from export.reference import PyTorchReference
from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.decision.comparison import Decision
from spam_edge.errors import ProviderUnavailableError
from spam_edge.runtime.providers import CPU, CUDA
from spam_edge.training.data.readers import CorpusOptions, read_messages
from tests.gpu.parts import Save
from tests.gpu.placement import operators_by_provider
from tests.gpu.settings import Settings

_FEW = 40
Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Messages:
    """One set of messages.

    Attributes:
        texts: the messages.
        expected: logits of the reference, shape (messages, 2).
        reference: what computed them.
        is_spam: labels, shape (messages,); None if the set has none.
    """

    texts: list[str]
    expected: Logits
    reference: str
    is_spam: NDArray[np.bool_] | None


def measure(settings: Settings, save: Save, shape: str) -> None:
    """Compare every variant for the device with the reference, and say what runs where."""
    bundle = Bundle.find(settings.bundle_of(shape))
    provider = CUDA if settings.cuda else CPU
    auto = SpamClassifier(bundle, RuntimeOptions())
    save(device=settings.device, auto={"variant": auto.variant, "provider": auto.provider})
    save(refused={name: _refusal(bundle, name) for name in ("int8", "fused") if name in bundle.manifest.variants})
    sets = dict(_sets(settings, bundle, shape))
    save(sets={name: {"n": len(each.texts), "reference": each.reference} for name, each in sets.items()})
    found: dict[str, Any] = {}
    for name, variant in bundle.manifest.variants.items():
        if name.startswith(("fp16", "fp32")) and provider in variant.providers:
            found[name] = _examine(bundle, RuntimeOptions(device=settings.device, variant=name), sets)
            save(variants=found)


def _examine(bundle: Bundle, options: RuntimeOptions, sets: dict[str, Messages]) -> dict[str, Any]:
    classifier = SpamClassifier(bundle, options)
    decision = Decision.of(bundle.manifest)
    found: dict[str, Any] = {"provider": classifier.provider, "error_band": _band(bundle, options.variant), "sets": {}}
    for name, messages in sets.items():
        logits = classifier.logits(messages.texts)
        parity = compare(options.variant, name, measured=logits, reference=messages.expected, decision=decision)
        found["sets"][name] = parity.to_dict() | {
            "max_margin_error": float(np.abs(_margins(logits) - _margins(messages.expected)).max()),
            "rates": _rates(decision, logits, messages),
            "rates_of_reference": _rates(decision, messages.expected, messages),
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


def _rates(decision: Decision, logits: Logits, messages: Messages) -> dict[str, float]:
    if messages.is_spam is None:
        return {}
    called = decision.calibration.scores(logits) >= decision.threshold
    kinds = {"false_positive_rate": ~messages.is_spam, "recall": messages.is_spam}
    return {name: float(called[rows].mean()) for name, rows in kinds.items() if rows.any()}


def _margins(logits: Logits) -> Logits:
    margins: Logits = logits[:, 1] - logits[:, 0]
    return margins


def _sets(settings: Settings, bundle: Bundle, shape: str) -> Iterator[tuple[str, Messages]]:
    """Yield the golden messages, the test split of the checkpoint, else the timed texts, and the labelled files."""
    golden = Golden.read(bundle)
    yield "golden", Messages(golden.texts, golden.logits, "PyTorch fp32", None)
    most = None if settings.cuda else _FEW
    checkpoint = settings.checkpoint_of(shape)
    reference, run = _reference(bundle, checkpoint)
    if checkpoint is not None:
        split = Checkpoint.read(checkpoint).test
        texts = split.texts[:most]
        yield "test", Messages(texts, run(texts), reference, split.is_positive[:most].astype(np.bool_))
    else:
        texts = settings.texts_of(shape)[:most]
        yield "corpus", Messages(texts, run(texts), reference, None)
    for name, path in settings.extras.items():
        messages = read_messages(path, CorpusOptions())[:most]
        texts = [message.text for message in messages]
        yield name, Messages(texts, run(texts), reference, np.array([message.is_spam for message in messages]))


def _reference(bundle: Bundle, checkpoint: Path | None) -> tuple[str, Callable[[list[str]], Logits]]:
    if checkpoint is None:
        fp32 = SpamClassifier(bundle, RuntimeOptions(device="cpu", variant="fp32"))
        return "the fp32 file on the CPU", fp32.logits
    max_length = int(json.loads((checkpoint / "training.json").read_bytes())["settings"]["max_length"])
    pytorch = PyTorchReference(checkpoint, max_length=max_length)
    return "PyTorch fp32", partial(pytorch.logits, description="reference")
