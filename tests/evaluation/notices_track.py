"""Compute ``today`` of ``evaluation.json``, the second track: held-out notices, harmless controls, additional files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spam_edge.training.attacks import CONTROLS
from spam_edge.training.data.messages import HAM, SPAM
from spam_edge.training.data.notices import MARKETING
from spam_edge.training.data.splits import NOTICES
from tests.evaluation.baselines import TITLES
from tests.evaluation.errors import listed, read_verdicts
from tests.evaluation.extras import MEANS, mean_over_files
from tests.evaluation.modes import as_json, exact_rates
from tests.evaluation.report.document import BASELINE, OURS
from tests.evaluation.statistics import Measured, calibration, exact_rate
from tests.evaluation.tracks import FoldScores, Track


def today(
    folds: Sequence[FoldScores], corpus: Track, files: Sequence[Mapping[str, Any]], *, resamples: int
) -> dict[str, Any]:
    """Return the figures of the second track. Parts without messages are absent or empty.

    Args:
        folds: results of the folds.
        corpus: the first track, whose baseline threshold applies to the controls.
        files: figures of :func:`tests.evaluation.extras.extra_figures`.
        resamples: number of bootstrap resamples.
    """
    tracks = {name: Track(folds, name) for name in (NOTICES, MARKETING) if any(name in fold for fold in folds)}
    return {
        **({NOTICES: _notices(tracks[NOTICES], resamples)} if NOTICES in tracks else {}),
        **({MARKETING: _marketing(tracks[MARKETING])} if MARKETING in tracks else {}),
        "controls": list(_controls(folds, corpus.baseline_threshold)),
        "files": list(files),
        "means": _means(files),
    }


def _notices(track: Track, resamples: int) -> dict[str, Any]:
    voting = {name: scored.votes for name, scored in track.systems.items()}
    ours = voting[OURS]
    calibrated = calibration(ours.scores, ours.is_spam, resamples=resamples)
    return {
        "systems": {
            name: {
                "title": TITLES[name],
                # Rates at a threshold get exact intervals: a bootstrap of zero errors has an interval of width zero.
                "by_cluster": Measured.of(scored, resamples=resamples).with_intervals() | exact_rates(scored),
            }
            for name, scored in voting.items()
        },
        "calibration": {key: calibrated[key] for key in ("ece", "brier", "nll")},
        "modes": track.modes(track.votes),
        "kinds": list(_kinds(track)),
        "evasion": track.evasion(),
        "errors": listed(track, read_verdicts()),
    }


def _kinds(track: Track) -> Iterator[dict[str, Any]]:
    """Yield each kind of message, ham first, with its rate in each mode and that of the baseline."""
    kinds = np.array(track.kinds, dtype=np.object_)[track.votes]
    baseline = track.systems[BASELINE].take(track.votes)
    for label, is_spam in ((HAM, False), (SPAM, True)):
        for kind in sorted(set(kinds[baseline.is_spam == is_spam])):
            chosen: NDArray[np.intp] = np.flatnonzero((kinds == kind) & (baseline.is_spam == is_spam))
            rate = "recall" if is_spam else "false_positive_rate"
            yield {
                "kind": kind,
                "label": label,
                "modes": {mode: each[rate] for mode, each in track.modes(track.votes[chosen]).items()},
                "baseline": as_json(exact_rate(int(baseline.called[chosen].sum()), len(chosen))),
            }


def _marketing(track: Track) -> dict[str, Any]:
    baseline = exact_rates(track.systems[BASELINE].take(track.votes))
    return {"modes": track.modes(track.votes), "baseline": baseline["false_positive_rate"]}


def _controls(folds: Sequence[FoldScores], limit: float) -> Iterator[dict[str, Any]]:
    for name, control in CONTROLS.items():
        ours = [score >= fold["thresholds"]["balanced"] for fold in folds for score in fold["controls"][name]["ours"]]
        theirs = [score > limit for fold in folds for score in fold["controls"][name]["baseline"]]
        yield {
            "id": name,
            "title": control.title,
            "false_positive_rate": as_json(exact_rate(sum(ours), len(ours))),
            "baseline": as_json(exact_rate(sum(theirs), len(theirs))),
        }


def _means(files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return, for each kind of file with a goal, the number of files and their mean rate in each mode."""
    found = {}
    for kind in MEANS:
        if some := [file for file in files if file["kind"] == kind]:
            modes = {mode: mean_over_files(some, kind, mode) for mode in some[0]["modes"]}
            found[kind] = {"files": len(some), "modes": modes}
    return found
