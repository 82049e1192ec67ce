"""Everything that is scored in one fold, kept in a file, so that an evaluation goes on where it was interrupted."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.atomic import atomic_file
from spam_edge.classifier import SpamClassifier
from spam_edge.scores import probabilities
from spam_edge.training.corpus import Prepared
from spam_edge.training.disguises import Keywords
from spam_edge.training.messages import SPAM
from spam_edge.training.splits import one_per_cluster
from tests.evaluation.attacks import Target, attack_all, controls
from tests.evaluation.pipeline import Pipeline, code_fingerprint, pytorch_margins

_RESULT = "result.json"
_SCORING = ("attacks.py", "baselines.py", "paraphrases.jsonl", "paraphrases.py", "scoring.py")
"""Files that decide what is in it, beside the bundle."""
Fit = Callable[[Sequence[str], NDArray[np.bool_]], Any]


FoldScores = Mapping[str, Any]
"""What was measured on the test messages of one fold, as JSON.

It holds ``made_from``; ``texts``, ``is_spam`` and ``clusters``; ``scores`` and ``calls`` by system; ``thresholds`` by
mode and ``temperature`` of the bundle; ``attacks`` and ``controls``.
"""


def score_fold(name: str, prepared: Prepared, pipeline: Pipeline, baselines: Mapping[str, Fit]) -> FoldScores:
    """Train, export and score one fold, unless that was done before."""
    path = pipeline.folder / name / _RESULT
    classifier = pipeline.classifier(name, prepared)
    here = [f"tests/evaluation/{name}" for name in _SCORING]
    code = code_fingerprint("spam_edge/training/disguises/*", *here)
    made_from = [classifier.bundle.digest, code]
    if path.is_file():
        found: FoldScores = json.loads(path.read_bytes())
        if found["made_from"] == made_from:
            return found
    test, fitting = prepared.sides["test"], [*prepared.sides["train"], *prepared.sides["validation"]]
    texts = [example.text for example in test]
    is_spam = np.array([example.label == SPAM for example in test])
    # A baseline has nothing to choose on validation, so it is fitted on that as well.
    known = np.array([example.label == SPAM for example in fitting])
    fitted = {key: fit([example.text for example in fitting], known) for key, fit in baselines.items()}
    margins = {key: system.decision_function(texts) for key, system in fitted.items()}
    temperature, threshold = classifier.manifest.temperature, classifier.manifest.threshold
    ours = classifier.score(texts).astype(np.float64)
    pytorch = _pytorch_scores(pipeline.folder / name / "checkpoint", texts, classifier, temperature)
    votes = one_per_cluster(test)
    target = Target(
        spam={row: texts[row] for row in votes if is_spam[row]},
        ham={row: texts[row] for row in votes if not is_spam[row]},
        keywords=Keywords.fit([example.text for example in fitting], known.tolist()),
        sentences=[example.text for example in fitting if example.label != SPAM],
        fold=name,
    )
    baseline = fitted["char_svm"].decision_function
    data = {
        "made_from": made_from,
        "texts": texts,
        "is_spam": is_spam.tolist(),
        "clusters": [example.cluster for example in test],
        "scores": {"spam_edge": ours.tolist(), "pytorch": pytorch.tolist()}
        | {key: values.tolist() for key, values in margins.items()},
        "calls": {"spam_edge": (ours >= threshold).tolist(), "pytorch": (pytorch >= threshold).tolist()}
        | {key: (values > 0).tolist() for key, values in margins.items()},
        "thresholds": dict(classifier.manifest.thresholds),
        "temperature": temperature,
        "attacks": [attacked.to_dict() for attacked in attack_all(target, classifier, baseline)],
        "controls": controls(target, classifier, baseline),
    }
    with atomic_file(path) as stream:
        json.dump(data, stream)
    return data


def score_in_pytorch(name: str, prepared: Prepared, pipeline: Pipeline) -> list[float]:
    """Train on one split and return what PyTorch says of its test messages, as the difference of the two logits."""
    path = pipeline.folder / name / _RESULT
    checkpoint = pipeline.checkpoint(name, prepared)
    if not path.is_file():
        texts = [example.text for example in prepared.sides["test"]]
        margins = pytorch_margins(checkpoint, texts, max_length=pipeline.settings.max_length)
        with atomic_file(path) as stream:
            json.dump(margins.tolist(), stream)
    found: list[float] = json.loads(path.read_bytes())
    return found


def _pytorch_scores(
    checkpoint: Path, texts: list[str], classifier: SpamClassifier, temperature: float
) -> NDArray[np.float64]:
    margins = pytorch_margins(checkpoint, texts, max_length=classifier.manifest.max_length)
    logits = np.stack([np.zeros_like(margins), margins], axis=1)
    return probabilities(logits, temperature=temperature, positive_index=1).astype(np.float64)
