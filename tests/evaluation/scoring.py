"""Everything that is scored in one fold, kept in a file, so that an evaluation goes on where it was interrupted."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.atomic import atomic_file
from spam_edge.classifier import SpamClassifier
from spam_edge.scores import probabilities
from spam_edge.training.corpus import Prepared
from spam_edge.training.disguises import Keywords
from spam_edge.training.messages import SPAM
from spam_edge.training.splits import NOTICES, Example
from tests.evaluation.attacks import Target, attack_all, attack_sample, controls
from tests.evaluation.folds import CORPUS, by_track
from tests.evaluation.pipeline import Pipeline, code_fingerprint, pytorch_margins
from tests.evaluation.report.document import BASELINE, OURS, PYTORCH
from tests.evaluation.statistics import one_vote_per_label
from tests.evaluation.tracks import FoldScores

_RESULT = "result.json"
_SCORING = ("attacks.py", "baselines.py", "evasion.py", "folds.py", "paraphrases.jsonl", "paraphrases.py", "scoring.py")
"""Files that decide what is in it, beside the bundle."""
Fit = Callable[[Sequence[str], NDArray[np.bool_]], Any]


@dataclass(frozen=True, slots=True)
class Scorer:
    """The systems of one fold: the bundle, its model in PyTorch, and the fitted baselines."""

    name: str
    classifier: SpamClassifier
    pytorch: Callable[[Sequence[str]], NDArray[np.float64]]
    baselines: Mapping[str, Any]

    def part(self, track: str, test: Sequence[Example], known: Sequence[Example]) -> dict[str, Any]:
        """Return what the systems say of the test messages of one track.

        Beside the corpus only :data:`BASELINE` is scored: what the others are worth is seen there.

        Args:
            track: its name.
            test: its test messages.
            known: the messages of the same track that an attacker knows; none of marketing.
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
        """Return the scores of the controls; those of disguised ham are made of ``test``."""
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
    """Train, export and score one fold, unless that was done before."""
    path = pipeline.folder / name / _RESULT
    classifier = pipeline.classifier(name, prepared)
    here = [f"tests/evaluation/{name}" for name in _SCORING]
    made_from = [classifier.bundle.digest, code_fingerprint("spam_edge/training/disguises/*", *here)]
    if path.is_file():
        found: FoldScores = json.loads(path.read_bytes())
        if found["made_from"] == made_from:
            return found
    # A baseline has nothing to choose on validation, so it is fitted on that as well; on notices as ours is.
    fitting = [*prepared.sides["train"], *prepared.sides["validation"]]
    fitted = {key: fit([e.text for e in fitting], _is_spam(fitting)) for key, fit in baselines.items()}
    checkpoint = pipeline.folder / name / "checkpoint"
    scorer = Scorer(name, classifier, lambda texts: _pytorch_scores(checkpoint, texts, classifier), fitted)
    tests, known = by_track(prepared.sides["test"]), by_track(fitting)
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
    """Train on one split and return what PyTorch says of the test messages of its corpus, as differences of logits."""
    path = pipeline.folder / name / _RESULT
    checkpoint = pipeline.checkpoint(name, prepared)
    if not path.is_file():
        texts = [example.text for example in by_track(prepared.sides["test"])[CORPUS]]
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
    return probabilities(logits, temperature=classifier.manifest.temperature, positive_index=1).astype(np.float64)
