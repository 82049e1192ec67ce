"""From what was scored in the folds to ``evaluation.json``."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_auc_score

from spam_edge.training.disguises import ATTACKS, CONTROLS
from tests.evaluation import paraphrases
from tests.evaluation.attacks import SEEN_IN_TRAINING, UNKNOWN_HOMOGLYPHS
from tests.evaluation.baselines import TITLES
from tests.evaluation.report.document import BASELINE, OURS
from tests.evaluation.scoring import FoldScores
from tests.evaluation.statistics import (
    Measured,
    Scored,
    calibration,
    exact_rate,
    measures,
)

_CURVE_POINTS = 400
_WORST = "E18"
_TITLES = {
    UNKNOWN_HOMOGLYPHS: "homoglyphs the normaliser lacks",
    paraphrases.ATTACK: paraphrases.TITLE,
    _WORST: "the worst of E1 to E15 for each message",
}


class OutOfFold:
    """The folds put together: every message once, scored by a model that knew nothing like it.

    Args:
        folds: what was scored in each.
        resamples: of the bootstrap.
    """

    def __init__(self, folds: Sequence[FoldScores], *, resamples: int) -> None:
        self._folds = folds
        self._resamples = resamples
        self.is_spam = self._joined("is_spam", np.bool_)
        self.texts = [text for fold in self._folds for text in fold["texts"]]
        self.clusters = self._joined("clusters", np.int64)
        self.systems = {
            name: Scored(
                self._joined_of("scores", name, np.float64), self._joined_of("calls", name, np.bool_),
                self.is_spam, self.clusters,
            )
            for name in self._folds[0]["scores"]
        }  # fmt: skip

    def summary(self) -> dict[str, Any]:
        """Return the sections of ``evaluation.json`` that come from the folds."""
        ours, baseline = self.systems[OURS].one_per_cluster, self.systems[BASELINE].one_per_cluster
        by_cluster = {
            name: Measured.of(scored.one_per_cluster, resamples=self._resamples)
            for name, scored in self.systems.items()
        }
        return {
            "systems": {
                name: {
                    "title": TITLES[name],
                    "by_cluster": by_cluster[name].with_intervals(),
                    "by_row": Measured.of(scored, resamples=self._resamples // 4).with_intervals(),
                }
                for name, scored in self.systems.items()
            },
            "paired": {name: by_cluster[OURS].minus(measured) for name, measured in by_cluster.items() if name != OURS},
            "calibration": {"temperature": [fold["temperature"] for fold in self._folds]}
            | calibration(ours.scores, ours.is_spam, resamples=self._resamples),
            "curve": _curve(ours),
            "baseline_curve": _curve(baseline),
            "histogram": _histogram(ours),
            "modes": self._modes(),
            "evasion": self._evasion(),
            "controls": self._controls(),
            "quantisation": self._quantisation(),
        }

    def thresholds(self, mode: str) -> NDArray[np.float64]:
        """Return for every message the threshold that its fold ships with for a mode."""
        return np.concatenate([np.full(len(fold["texts"]), fold["thresholds"][mode]) for fold in self._folds])

    def _joined(self, key: str, kind: Any) -> Any:
        return np.array([value for fold in self._folds for value in fold[key]], dtype=kind)

    def _joined_of(self, key: str, name: str, kind: Any) -> Any:
        return np.array([value for fold in self._folds for value in fold[key][name]], dtype=kind)

    def _modes(self) -> dict[str, Any]:
        rows = np.unique(self.clusters, return_index=True)[1]
        is_spam, scores = self.is_spam[rows], self.systems[OURS].scores[rows]
        found = {}
        for mode in self._folds[0]["thresholds"]:
            called = scores >= self.thresholds(mode)[rows]
            tp, fp = int((called & is_spam).sum()), int((called & ~is_spam).sum())
            fn, tn = int((~called & is_spam).sum()), int((~called & ~is_spam).sum())
            rates = {"precision": (tp, tp + fp), "recall": (tp, tp + fn), "false_positive_rate": (fp, fp + tn)}
            found[mode] = {
                "threshold": [fold["thresholds"][mode] for fold in self._folds],
                **{name: _as_json(exact_rate(*counts)) for name, counts in rates.items()},
                "confusion": {"tp": tp, "fp": fp, "fn": fn, "tn": tn},
            }
        return found

    def _baseline_threshold(self) -> float:
        """Return where the baseline raises as many false alarms on clean ham as ours does."""
        ours, baseline = self.systems[OURS].one_per_cluster, self.systems[BASELINE].one_per_cluster
        false_alarms = int((ours.called & ~ours.is_spam).sum())
        ranked = np.sort(baseline.scores[~baseline.is_spam])[::-1]
        return float(ranked[min(false_alarms, len(ranked) - 1)])

    def _evasion(self) -> list[dict[str, Any]]:
        limit = self._baseline_threshold()
        kinds = dict.fromkeys((a["attack"], a["level"], a["target"]) for fold in self._folds for a in fold["attacks"])
        return [self._attacked(*kind, limit) for kind in kinds] + [self._worst("medium", "keywords", limit)]

    def _attacked(self, attack: str, level: str, target: str, limit: float) -> dict[str, Any]:
        caught, clean, theirs = [], [], []
        for fold in self._folds:
            threshold = fold["thresholds"]["balanced"]
            for found in fold["attacks"]:
                if (found["attack"], found["level"], found["target"]) == (attack, level, target):
                    caught += [score >= threshold for score in found["ours"]]
                    clean += [fold["scores"][OURS][row] >= threshold for row in found["rows"]]
                    theirs += [score > limit for score in found["baseline"]]
        return _evaded((attack, level, target), caught, clean, theirs)

    def _worst(self, level: str, target: str, limit: float) -> dict[str, Any]:
        """Count the messages that are caught however they are disguised: the attacker tries everything."""
        caught, clean, theirs = [], [], []
        for fold in self._folds:
            threshold = fold["thresholds"]["balanced"]
            lowest: dict[int, list[float]] = {}
            for found in fold["attacks"]:
                if found["attack"] in ATTACKS and (found["level"], found["target"]) == (level, target):
                    for row, ours, baseline in zip(found["rows"], found["ours"], found["baseline"], strict=True):
                        kept = lowest.setdefault(row, [ours, baseline])
                        lowest[row] = [min(kept[0], ours), min(kept[1], baseline)]
            caught += [scores[0] >= threshold for scores in lowest.values()]
            clean += [fold["scores"][OURS][row] >= threshold for row in lowest]
            theirs += [scores[1] > limit for scores in lowest.values()]
        return _evaded((_WORST, level, target), caught, clean, theirs)

    def _controls(self) -> list[dict[str, Any]]:
        limit = self._baseline_threshold()
        return [
            {
                "id": name,
                "title": CONTROLS[name].title,
                "false_positive_rate": self._false_alarms(name, "ours", None),
                "baseline": self._false_alarms(name, "baseline", limit),
            }
            for name in CONTROLS
        ]

    def _false_alarms(self, control: str, system: str, limit: float | None) -> dict[str, float] | None:
        called = [
            score >= fold["thresholds"]["balanced"] if limit is None else score > limit
            for fold in self._folds
            for score in fold["controls"][control][system]
        ]
        return _as_json(exact_rate(sum(called), len(called)))

    def _quantisation(self) -> dict[str, Any]:
        ours, pytorch = self.systems[OURS], self.systems["pytorch"]
        moved = np.abs(ours.scores - pytorch.scores)
        recall = [measures(scored.one_per_cluster)["recall_at_fpr_0.1pct"] for scored in (ours, pytorch)]
        return {
            "n": len(moved),
            "max_abs_dp": float(moved.max()),
            "mean_abs_dp": float(moved.mean()),
            "flips": int((ours.called != pytorch.called).sum()),
            "recall_change": recall[0] - recall[1],
        }


def corpus_figures(name: str, note: str, scores: NDArray[np.float64], is_spam: Any, threshold: float) -> dict[str, Any]:
    """Return how the bundle that ships does on another corpus, with its own threshold."""
    scored = Scored(scores, scores >= threshold, is_spam, np.arange(len(scores)))
    found = measures(scored)
    spam, ham = int(is_spam.sum()), int((~is_spam).sum())
    return {
        "name": name,
        "n_ham": ham,
        "n_spam": spam,
        "recall": _as_json(exact_rate(int((scored.called & is_spam).sum()), spam)),
        "false_positive_rate": _as_json(exact_rate(int((scored.called & ~is_spam).sum()), ham)),
        "mcc": found["mcc"],
        "roc_auc": float(roc_auc_score(is_spam, scores)),
        "pr_auc": found["pr_auc"],
        "recall_at_fpr_0.5pct": found["recall_at_fpr_0.5pct"],
        "note": note,
    }


def _evaded(kind: tuple[str, str, str], caught: list[bool], clean: list[bool], theirs: list[bool]) -> dict[str, Any]:
    attack, level, target = kind
    n = len(caught)
    return {
        "attack": attack,
        "title": _TITLES.get(attack) or ATTACKS[attack].title,
        "level": level,
        "target": target,
        "recall": _as_json(exact_rate(sum(caught), n)),
        "clean_recall": sum(clean) / n if n else None,
        "baseline": _as_json(exact_rate(sum(theirs), n)),
        "seen_in_training": attack in SEEN_IN_TRAINING,
        "changed": n,
    }


def _as_json(rate: Any) -> dict[str, float] | None:
    found: dict[str, float] | None = rate.to_dict() if rate else None
    return found


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
