"""Compute the corpus sections of ``evaluation.json`` from the scores of the folds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve

from tests.evaluation.baselines import TITLES
from tests.evaluation.report.document import BASELINE, OURS, PYTORCH
from tests.evaluation.statistics import Measured, Scored, calibration, measures
from tests.evaluation.tracks import FoldScores, Track

_CURVE_POINTS = 400


def corpus_sections(track: Track, folds: Sequence[FoldScores], *, resamples: int) -> dict[str, Any]:
    """Return systems, differences, calibration, curves, modes, disguises and quantisation.

    Args:
        track: the corpus.
        folds: results of the folds in the track.
        resamples: number of bootstrap resamples.
    """
    voting = {name: scored.votes for name, scored in track.systems.items()}
    ours = voting[OURS]
    measured = {name: Measured.of(scored, resamples=resamples) for name, scored in voting.items()}
    return {
        "systems": {
            name: {
                "title": TITLES[name],
                "by_cluster": measured[name].with_intervals(),
                "by_row": Measured.of(scored, resamples=resamples // 4).with_intervals(),
            }
            for name, scored in track.systems.items()
        },
        "paired": {name: measured[OURS].minus(other) for name, other in measured.items() if name != OURS},
        "calibration": {"temperature": [fold["temperature"] for fold in folds]}
        | calibration(ours.scores, ours.is_spam, resamples=resamples),
        "curve": _curve(ours),
        "baseline_curve": _curve(voting[BASELINE]),
        "histogram": _histogram(ours),
        "modes": {
            mode: {"threshold": [fold["thresholds"][mode] for fold in folds], **figures}
            for mode, figures in track.modes(track.votes).items()
        },
        "evasion": track.evasion(),
        "quantisation": _quantisation(track.systems[OURS], track.systems[PYTORCH]),
    }


def _quantisation(ours: Scored, pytorch: Scored) -> dict[str, Any]:
    moved = np.abs(ours.scores - pytorch.scores)
    recall = [measures(scored.votes)["recall_at_fpr_0.1pct"] for scored in (ours, pytorch)]
    return {
        "n": len(moved),
        "max_abs_dp": float(moved.max()),
        "mean_abs_dp": float(moved.mean()),
        "flips": int((ours.called != pytorch.called).sum()),
        "recall_change": recall[0] - recall[1],
    }


def _curve(scored: Scored) -> Mapping[str, list[float]]:
    precision, recall, _ = precision_recall_curve(scored.is_spam, scored.scores)
    kept = np.unique(np.linspace(0, len(recall) - 1, _CURVE_POINTS).astype(int))
    return {"precision": precision[kept].tolist(), "recall": recall[kept].tolist()}


def _histogram(scored: Scored) -> dict[str, list[float]]:
    edges = np.linspace(0, 1, 21)
    counts = {
        name: np.histogram(scored.scores[which], edges)[0].tolist()
        for name, which in (("ham", ~scored.is_spam), ("spam", scored.is_spam))
    }
    return {"edges": edges.tolist(), **counts}
