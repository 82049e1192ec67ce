"""Score the messages of one fold with all systems, and cache the result for interrupted evaluations."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.sources import code_fingerprint
from spam_edge.atomic import atomic_file
from spam_edge.classifier import SpamClassifier
from spam_edge.decision.calibration import Calibration
from spam_edge.training.attacks import Keywords
from spam_edge.training.data.corpus import Prepared
from spam_edge.training.data.messages import SPAM
from spam_edge.training.data.splits import NOTICES, Example
from tests.evaluation.attacks import Target, attack_all, attack_sample, controls
from tests.evaluation.folds import CORPUS, by_track
from tests.evaluation.pipeline import Pipeline, pytorch_margins
from tests.evaluation.report.document import BASELINE, OURS, PYTORCH
from tests.evaluation.statistics import one_vote_per_label
from tests.evaluation.tracks import FoldScores

_RESULT = "result.json"
_SCORING = (
    "spam_edge/training/attacks/*.py",
    "spam_edge/training/attacks/*.jsonl",
    *(f"tests/evaluation/{name}.py" for name in ("attacks", "baselines", "evasion", "folds", "paraphrases", "scoring")),
    "tests/evaluation/paraphrases.jsonl",
)
"""Files that the cached result depends on, besides the bundle."""
Fit = Callable[[Sequence[str], NDArray[np.bool_]], Any]


@dataclass(frozen=True, slots=True)
class Scorer:
    """The systems of one fold: the bundle, its checkpoint in PyTorch, and the fitted baselines."""

    name: str
    classifier: SpamClassifier
    pytorch: Callable[[Sequence[str]], NDArray[np.float64]]
    baselines: Mapping[str, Any]

    def part(self, track: str, test: Sequence[Example], known: Sequence[Example]) -> dict[str, Any]:
        """Return the scores and calls of all systems on the test messages of one track.

        Outside the corpus only :data:`BASELINE` is scored beside the bundle; the corpus compares all systems.

        Args:
            track: name of the track.
            test: its test messages.
            known: messages of the track that an attacker knows; empty for marketing.
        """
        texts, is_spam = [example.text for example in test], _is_spam(test)
        threshold = self.classifier.manifest.threshold
        scores = {OURS: self.classifier.score(texts).astype(np.float64)}
        if track == CORPUS:
            scores[PYTORCH] = self.pytorch(texts)
        calls = {name: values >= threshold for name, values in scores.items()}
        for name in self.baselines if track == CORPUS else [BASELINE]:
            scores[name] = self.baselines[name].decision_function(texts)
            calls[name] = scores[name] > 0
        return {
            "texts": texts,
            "kinds": [example.kind for example in test],
            "is_spam": is_spam.tolist(),
            "clusters": [example.cluster for example in test],
            "scores": {name: values.tolist() for name, values in scores.items()},
            "calls": {name: values.tolist() for name, values in calls.items()},
            "attacks": [attacked.to_dict() for attacked in self._attacks(track, test, known)],
        }

    def controls(self, test: Sequence[Example]) -> dict[str, dict[str, list[float]]]:
        """Return the scores of the harmless controls; disguised ham is made from ``test``."""
        return controls(self._target(test, ()), self.classifier, self.baselines[BASELINE].decision_function)

    def _attacks(self, track: str, test: Sequence[Example], known: Sequence[Example]) -> Sequence[Any]:
        attack = {CORPUS: attack_all, NOTICES: attack_sample}.get(track)
        baseline = self.baselines[BASELINE].decision_function
        return attack(self._target(test, known), self.classifier, baseline) if attack else ()

    def _target(self, test: Sequence[Example], known: Sequence[Example]) -> Target:
        votes = one_vote_per_label(np.array([example.cluster for example in test]), _is_spam(test)).tolist()
        return Target(
            spam={row: test[row].text for row in votes if test[row].label == SPAM},
            ham={row: test[row].text for row in votes if test[row].label != SPAM},
            keywords=Keywords.fit([example.text for example in known], _is_spam(known).tolist()),
            sentences=[example.text for example in known if example.label != SPAM],
            fold=self.name,
        )


def score_fold(name: str, prepared: Prepared, pipeline: Pipeline, baselines: Mapping[str, Fit]) -> FoldScores:
    """Train, export and score one fold, or return its cached result."""
    path = pipeline.folder / name / _RESULT
    classifier = pipeline.classifier(name, prepared)
    made_from = [classifier.bundle.digest, code_fingerprint(_SCORING)]
    if path.is_file():
        found: FoldScores = json.loads(path.read_bytes())
        if found["made_from"] == made_from:
            return found
    # Baselines choose nothing on the validation split, so they are fitted on it too. They see the notices as ours does.
    fitting = [*prepared.splits["train"], *prepared.splits["validation"]]
    fitted = {key: fit([e.text for e in fitting], _is_spam(fitting)) for key, fit in baselines.items()}
    checkpoint = pipeline.folder / name / "checkpoint"
    scorer = Scorer(name, classifier, lambda texts: _pytorch_scores(checkpoint, texts, classifier), fitted)
    tests, known = by_track(prepared.splits["test"]), by_track(fitting)
    data = {
        "made_from": made_from,
        "thresholds": dict(classifier.manifest.thresholds),
        "temperature": classifier.manifest.temperature,
        "controls": scorer.controls(tests[CORPUS]),
        **{track: scorer.part(track, test, known.get(track, ())) for track, test in tests.items()},
    }
    with atomic_file(path) as stream:
        json.dump(data, stream)
    return data


def score_in_pytorch(name: str, prepared: Prepared, pipeline: Pipeline) -> list[float]:
    """Train on one split and return PyTorch's logit margins on the corpus messages of its test split."""
    path = pipeline.folder / name / _RESULT
    checkpoint = pipeline.checkpoint(name, prepared)
    if not path.is_file():
        texts = [example.text for example in by_track(prepared.splits["test"])[CORPUS]]
        margins = pytorch_margins(checkpoint, texts, max_length=pipeline.settings.max_length)
        with atomic_file(path) as stream:
            json.dump(margins.tolist(), stream)
    found: list[float] = json.loads(path.read_bytes())
    return found


def _is_spam(examples: Sequence[Example]) -> NDArray[np.bool_]:
    return np.array([example.label == SPAM for example in examples], dtype=np.bool_)


def _pytorch_scores(checkpoint: Any, texts: Sequence[str], classifier: SpamClassifier) -> NDArray[np.float64]:
    margins = pytorch_margins(checkpoint, list(texts), max_length=classifier.manifest.max_length)
    logits = np.stack([np.zeros_like(margins), margins], axis=1)
    return Calibration(classifier.manifest.temperature).scores(logits).astype(np.float64)
