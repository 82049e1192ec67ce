"""Compute measures with 95 % intervals: cluster bootstrap for ranking measures, Clopper-Pearson for rates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, matthews_corrcoef, roc_auc_score, roc_curve

from spam_edge.decision.intervals import clopper_pearson
from spam_edge.training.metrics.metric import FALSE_POSITIVE_RATES

Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]

PREVALENCES = {"precision_at_1pct_prevalence": 0.01, "precision_at_13pct_prevalence": 0.13}
_LOW, _HIGH = 2.5, 97.5
_BINS = 15


@dataclass(frozen=True, slots=True)
class Rate:
    """A value, its 95 % interval, and the number of messages it was measured on."""

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, float]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores and calls of one system on n messages.

    Attributes:
        scores: higher is more spam-like; shape (n,).
        called: whether the message is called SPAM at the shipped threshold; shape (n,).
        is_spam: shape (n,).
        clusters: number of the near-duplicate cluster; shape (n,).
    """

    scores: Scores
    called: Flags
    is_spam: Flags
    clusters: NDArray[np.int64]

    def take(self, rows: NDArray[np.intp]) -> "Scored":
        """Return the rows with these indices."""
        return Scored(self.scores[rows], self.called[rows], self.is_spam[rows], self.clusters[rows])

    @property
    def votes(self) -> "Scored":
        """The rows that vote, see :func:`one_vote_per_label`."""
        return self.take(one_vote_per_label(self.clusters, self.is_spam))


def exact_rate(hits: int, n: int) -> Rate | None:
    """Return a proportion with its Clopper-Pearson interval; None for n = 0."""
    if n == 0:
        return None
    return Rate(hits / n, *clopper_pearson(hits, n), n)


def one_vote_per_label(clusters: NDArray[np.int64], is_spam: Flags) -> NDArray[np.intp]:
    """Return the index of the first message of each label of each cluster, ordered by cluster.

    A group of notices holds a fraud and the genuine message that it imitates, with one vote each. Clusters of a corpus
    have a single label.
    """
    return np.unique(np.stack([clusters, is_spam]), axis=1, return_index=True)[1]


def measures(scored: Scored) -> dict[str, float]:
    """Return all measures of one system."""
    is_spam, called = scored.is_spam, scored.called
    hits, false_positives = int((called & is_spam).sum()), int((called & ~is_spam).sum())
    recall, false_positive_rate = hits / is_spam.sum(), false_positives / (~is_spam).sum()
    fpr, tpr, _ = roc_curve(is_spam, scored.scores, drop_intermediate=False)
    return {
        "accuracy": float((called == is_spam).mean()),
        "precision": hits / max(1, hits + false_positives),
        "recall": float(recall),
        "f1": 2 * hits / (2 * hits + false_positives + int((~called & is_spam).sum())),
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
    """The measures of one system, and of resamples of its clusters.

    Attributes:
        scored: the scored messages.
        values: value by measure.
        drawn: value by measure, for each resample.
    """

    scored: Scored
    values: Mapping[str, float]
    drawn: Sequence[Mapping[str, float]]

    @classmethod
    def of(cls, scored: Scored, *, resamples: int) -> "Measured":
        """Measure a system on its messages and on ``resamples`` resamples."""
        return cls(scored, measures(scored), [measures(scored.take(rows)) for rows in resampled(scored, resamples)])

    def with_intervals(self) -> dict[str, Any]:
        """Return the measures with intervals, and the numbers of messages."""
        is_spam = self.scored.is_spam
        return {
            "n": len(is_spam),
            "n_spam": int(is_spam.sum()),
            "n_ham": int((~is_spam).sum()),
            **self._rates(self.values, self.drawn),
        }

    def minus(self, other: "Measured") -> dict[str, dict[str, float]]:
        """Return the differences to another system's measures, paired by resample."""
        drawn = [_difference(here, there) for here, there in zip(self.drawn, other.drawn, strict=True)]
        return self._rates(_difference(self.values, other.values), drawn)

    def _rates(self, values: Mapping[str, float], drawn: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
        n = len(self.scored.scores)
        return {name: _rate(value, [one[name] for one in drawn], n).to_dict() for name, value in values.items()}


def _difference(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    return {name: value - second[name] for name, value in first.items()}


def resampled(scored: Scored, resamples: int, *, seed: int = 0) -> list[NDArray[np.intp]]:
    """Draw whole clusters with replacement and return the row indices of each resample."""
    rng = np.random.default_rng(seed)
    order = np.argsort(scored.clusters, kind="stable")
    _, starts, sizes = np.unique(scored.clusters[order], return_index=True, return_counts=True)
    members = [order[start : start + size] for start, size in zip(starts, sizes, strict=True)]
    return [
        np.concatenate([members[index] for index in rng.integers(0, len(members), len(members))])
        for _ in range(resamples)
    ]


def calibration(scores: Scores, is_spam: Flags, *, resamples: int) -> dict[str, Any]:
    """Return ECE with 15 equal-mass bins, Brier score, negative log-likelihood, and the bins."""
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(scores), len(scores)) for _ in range(resamples)]
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
