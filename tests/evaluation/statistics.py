"""Figures with their intervals: bootstrap over clusters for measures of a ranking, exact ones for rates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, matthews_corrcoef, roc_auc_score, roc_curve

from spam_edge.intervals import clopper_pearson
from spam_edge.training.metrics import FALSE_POSITIVE_RATES

Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]

PREVALENCES = {"precision_at_1pct_prevalence": 0.01, "precision_at_13pct_prevalence": 0.13}
_LOW, _HIGH = 2.5, 97.5
_BINS = 15


@dataclass(frozen=True, slots=True)
class Rate:
    """A figure, its 95 % interval, and the number of messages it was measured on."""

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, float]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Scored:
    """What a system says of n messages.

    Attributes:
        scores: the higher, the more spam; shape (n,).
        called: called SPAM at the threshold that ships; shape (n,).
        is_spam: shape (n,).
        clusters: number of the near-duplicate cluster of each message; shape (n,).
    """

    scores: Scores
    called: Flags
    is_spam: Flags
    clusters: NDArray[np.int64]

    def take(self, rows: NDArray[np.intp]) -> "Scored":
        """Return some of the messages."""
        return Scored(self.scores[rows], self.called[rows], self.is_spam[rows], self.clusters[rows])

    @property
    def votes(self) -> "Scored":
        """The messages that count, see :func:`one_vote_per_label`."""
        return self.take(one_vote_per_label(self.clusters, self.is_spam))


def exact_rate(hits: int, n: int) -> Rate | None:
    """Return a share with its Clopper-Pearson interval; None of nothing."""
    if n == 0:
        return None
    return Rate(hits / n, *clopper_pearson(hits, n), n)


def one_vote_per_label(clusters: NDArray[np.int64], is_spam: Flags) -> NDArray[np.intp]:
    """Return the first message of each label of every cluster, in the order of the clusters.

    Groups of notices hold a fraud and the genuine message that it imitates: each of the two has its vote. Clusters of
    a corpus have one label.
    """
    return np.unique(np.stack([clusters, is_spam]), axis=1, return_index=True)[1]


def measures(scored: Scored) -> dict[str, float]:
    """Return all measures of one system on some messages."""
    is_spam, called = scored.is_spam, scored.called
    hits, false_alarms = int((called & is_spam).sum()), int((called & ~is_spam).sum())
    recall, false_positive_rate = hits / is_spam.sum(), false_alarms / (~is_spam).sum()
    fpr, tpr, _ = roc_curve(is_spam, scored.scores, drop_intermediate=False)
    return {
        "accuracy": float((called == is_spam).mean()),
        "precision": hits / max(1, hits + false_alarms),
        "recall": float(recall),
        "f1": 2 * hits / (2 * hits + false_alarms + int((~called & is_spam).sum())),
        "mcc": float(matthews_corrcoef(is_spam, called)),
        "pr_auc": float(average_precision_score(is_spam, scored.scores)),
        "roc_auc_below_1pct": float(roc_auc_score(is_spam, scored.scores, max_fpr=0.01)),
        **{name: float(tpr[fpr <= rate].max()) for name, rate in FALSE_POSITIVE_RATES.items()},
        **{
            name: float(share * recall / max(1e-12, share * recall + (1 - share) * false_positive_rate))
            for name, share in PREVALENCES.items()
        },
    }


@dataclass(frozen=True, slots=True)
class Measured:
    """The measures of one system, and the same on resamples of its clusters.

    Attributes:
        scored: what was measured.
        values: by measure.
        drawn: by measure, of each resample.
    """

    scored: Scored
    values: Mapping[str, float]
    drawn: Sequence[Mapping[str, float]]

    @classmethod
    def of(cls, scored: Scored, *, resamples: int) -> "Measured":
        """Measure a system on its messages, and on that many resamples."""
        return cls(scored, measures(scored), [measures(scored.take(rows)) for rows in resampled(scored, resamples)])

    def with_intervals(self) -> dict[str, Any]:
        """Return the measures as rates, and the numbers of messages."""
        is_spam = self.scored.is_spam
        return {
            "n": len(is_spam),
            "n_spam": int(is_spam.sum()),
            "n_ham": int((~is_spam).sum()),
            **self._rates(self.values, self.drawn),
        }

    def minus(self, other: "Measured") -> dict[str, dict[str, float]]:
        """Return how much higher the measures are than those of another system, on the same resamples."""
        drawn = [_difference(here, there) for here, there in zip(self.drawn, other.drawn, strict=True)]
        return self._rates(_difference(self.values, other.values), drawn)

    def _rates(self, values: Mapping[str, float], drawn: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
        n = len(self.scored.scores)
        return {name: _rate(value, [one[name] for one in drawn], n).to_dict() for name, value in values.items()}


def _difference(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    return {name: value - second[name] for name, value in first.items()}


def resampled(scored: Scored, resamples: int, *, seed: int = 0) -> list[NDArray[np.intp]]:
    """Draw clusters with replacement, each with all its messages."""
    dice = np.random.default_rng(seed)
    order = np.argsort(scored.clusters, kind="stable")
    _, starts, sizes = np.unique(scored.clusters[order], return_index=True, return_counts=True)
    members = [order[start : start + size] for start, size in zip(starts, sizes, strict=True)]
    return [
        np.concatenate([members[index] for index in dice.integers(0, len(members), len(members))])
        for _ in range(resamples)
    ]


def calibration(scores: Scores, is_spam: Flags, *, resamples: int) -> dict[str, Any]:
    """Return ECE with 15 bins of equal mass, Brier score, negative log-likelihood, and the bins."""
    dice = np.random.default_rng(0)
    draws = [dice.integers(0, len(scores), len(scores)) for _ in range(resamples)]
    named: Mapping[str, Callable[[Scores, Flags], float]] = {"ece": _ece, "brier": _brier, "nll": _nll}
    return {
        **{
            name: _rate(of(scores, is_spam), [of(scores[rows], is_spam[rows]) for rows in draws], len(scores)).to_dict()
            for name, of in named.items()
        },
        "bins": [
            {"score": float(scores[rows].mean()), "spam": float(is_spam[rows].mean()), "n": len(rows)}
            for rows in _equal_mass(scores)
        ],
    }


def _rate(value: float, drawn: list[float], n: int) -> Rate:
    low, high = np.percentile(drawn, [_LOW, _HIGH]) if drawn else (value, value)
    return Rate(float(value), float(low), float(high), n)


def _equal_mass(scores: Scores) -> list[NDArray[np.intp]]:
    return [rows for rows in np.array_split(np.argsort(scores, kind="stable"), _BINS) if len(rows)]


def _ece(scores: Scores, is_spam: Flags) -> float:
    bins = _equal_mass(scores)
    return float(sum(len(rows) * abs(scores[rows].mean() - is_spam[rows].mean()) for rows in bins) / len(scores))


def _brier(scores: Scores, is_spam: Flags) -> float:
    return float(np.mean((scores - is_spam) ** 2))


def _nll(scores: Scores, is_spam: Flags) -> float:
    clipped = np.clip(scores, 1e-7, 1 - 1e-7)
    return float(-np.mean(np.where(is_spam, np.log(clipped), np.log1p(-clipped))))
