"""List the errors of the out-of-fold run with their adjudication from ``adjudicated.jsonl``."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spam_edge.training.metrics.metric import FALSE_POSITIVE_RATES
from tests.evaluation.report.document import OURS
from tests.evaluation.statistics import Scored, measures
from tests.evaluation.tracks import Track

_FILE = Path(__file__).with_name("adjudicated.jsonl")
_KEPT = ("accuracy", "precision", "recall", "f1", "mcc", "pr_auc", *FALSE_POSITIVE_RATES)
WRONG, MISLABELLED, AMBIGUOUS, UNREAD = "wrong", "mislabelled", "ambiguous", "unread"
Verdicts = Mapping[str, Mapping[str, str]]


def read_verdicts(path: Path = _FILE) -> dict[str, dict[str, str]]:
    """Return, by text, a language model's ``verdict`` (wrong, mislabelled or ambiguous) with its ``note``."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    return {row["text"]: row for row in rows}


def errors(track: Track) -> dict[str, Any]:
    """Return every error at the balanced threshold, and the measures before and after adjudication.

    Adjudication flips the label of mislabelled errors and drops ambiguous ones. Correctly classified messages were not
    read, so the adjudicated measures are an upper limit.
    """
    verdicts = read_verdicts()
    ours = track.systems[OURS]
    judged = {row: _verdict(track.texts[row], verdicts) for row in _wrong(track)}
    is_spam = ours.is_spam.copy()
    for row, verdict in judged.items():
        is_spam[row] ^= verdict == MISLABELLED
    kept = np.array([row for row in track.votes if judged.get(int(row)) != AMBIGUOUS])
    adjudicated = Scored(ours.scores, ours.called, is_spam, ours.clusters).take(kept)
    return {
        "raw": _some(measures(ours.take(track.votes))) | {"errors": len(judged)},
        "adjudicated": _some(measures(adjudicated)) | dict(_counts(list(judged.values()))),
        "worst": listed(track, verdicts),
    }


def listed(track: Track, verdicts: Verdicts) -> list[dict[str, Any]]:
    """Return every error at the balanced threshold, furthest from it first, with its verdict."""
    ours, thresholds = track.systems[OURS], track.thresholds("balanced")
    return [
        {
            "text": track.texts[row],
            "kind": track.kinds[row],
            "label": "SPAM" if ours.is_spam[row] else "HAM",
            "score": float(ours.scores[row]),
            "threshold": float(thresholds[row]),
            "verdict": _verdict(track.texts[row], verdicts),
            "note": verdicts.get(track.texts[row], {}).get("note", ""),
        }
        for row in sorted(_wrong(track), key=lambda row: -abs(ours.scores[row] - thresholds[row]))
    ]


def _wrong(track: Track) -> list[int]:
    ours = track.systems[OURS]
    return [int(row) for row in track.votes if ours.called[row] != ours.is_spam[row]]


def _verdict(text: str, verdicts: Verdicts) -> str:
    return verdicts.get(text, {}).get("verdict", UNREAD)


def _some(found: Mapping[str, float]) -> dict[str, float]:
    return {name: found[name] for name in _KEPT}


def _counts(judged: Sequence[str]) -> Iterator[tuple[str, int]]:
    for verdict in (WRONG, MISLABELLED, AMBIGUOUS, UNREAD):
        yield verdict, judged.count(verdict)
