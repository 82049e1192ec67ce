"""The errors of the out-of-fold run, with what a reader made of each: ``adjudicated.jsonl``."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spam_edge.training.metrics import FALSE_POSITIVE_RATES
from tests.evaluation.report.document import OURS
from tests.evaluation.statistics import Scored, measures
from tests.evaluation.summary import OutOfFold

_FILE = Path(__file__).with_name("adjudicated.jsonl")
_KEPT = ("accuracy", "precision", "recall", "f1", "mcc", "pr_auc", *FALSE_POSITIVE_RATES)
WRONG, MISLABELLED, AMBIGUOUS, UNREAD = "wrong", "mislabelled", "ambiguous", "unread"


def read_verdicts(path: Path = _FILE) -> dict[str, dict[str, str]]:
    """Return what a language model said of each text: ``verdict`` (wrong, mislabelled or ambiguous) and ``note``."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    return {row["text"]: row for row in rows}


def errors(found: OutOfFold) -> dict[str, Any]:
    """Return every error at the balanced threshold, and the measures before and after its adjudication.

    Of what was mislabelled the label is turned, what is ambiguous is left out, in the errors alone: what the model gets
    right was not read, so that the adjudicated figures are an upper limit.
    """
    verdicts = read_verdicts()
    votes = np.unique(found.clusters, return_index=True)[1]
    ours, thresholds = found.systems[OURS], found.thresholds("balanced")
    wrong = [int(row) for row in votes if ours.called[row] != ours.is_spam[row]]
    judged = {row: verdicts.get(found.texts[row], {}).get("verdict", UNREAD) for row in wrong}
    is_spam = ours.is_spam.copy()
    for row, verdict in judged.items():
        is_spam[row] ^= verdict == MISLABELLED
    kept = np.array([row for row in votes if judged.get(int(row)) != AMBIGUOUS])
    adjudicated = Scored(ours.scores, ours.called, is_spam, ours.clusters).take(kept)
    worst = sorted(wrong, key=lambda row: -abs(ours.scores[row] - thresholds[row]))
    return {
        "raw": _some(measures(ours.take(votes))) | {"errors": len(wrong)},
        "adjudicated": _some(measures(adjudicated)) | dict(_counts(judged)),
        "worst": [
            {
                "text": found.texts[row],
                "label": "SPAM" if ours.is_spam[row] else "HAM",
                "score": float(ours.scores[row]),
                "threshold": float(thresholds[row]),
                "verdict": judged[row],
                "note": verdicts.get(found.texts[row], {}).get("note", ""),
            }
            for row in worst
        ],
    }


def _some(found: Mapping[str, float]) -> dict[str, float]:
    return {name: found[name] for name in _KEPT}


def _counts(judged: Mapping[int, str]) -> Iterator[tuple[str, int]]:
    for verdict in (WRONG, MISLABELLED, AMBIGUOUS, UNREAD):
        yield verdict, list(judged.values()).count(verdict)
