"""The two tracks of the test split: messages of the corpus, and notices."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from export.bundle_files import SHIPPED
from export.checkpoint import Split
from export.modes import metrics_of_band, metrics_of_modes
from spam_edge.bundle.manifest import Manifest
from spam_edge.decision.intervals import counted
from spam_edge.training.data.notices import MARKETING
from spam_edge.training.metrics.by_corpus import metrics_by_corpus
from spam_edge.training.metrics.metric import spam_metrics


@dataclass(frozen=True, slots=True)
class Track:
    """Messages of the test split that are reported together.

    Attributes:
        split: the messages.
        scores: shape (messages,), calibrated scores of the shipped variant.
        expected: shape (messages,), calibrated scores of PyTorch.
    """

    split: Split
    scores: NDArray[np.float32]
    expected: NDArray[np.float32]

    @property
    def of_corpus(self) -> Self:
        """All messages but the notices."""
        return self.where(~self.split.is_notice)

    @property
    def of_today(self) -> Self:
        """The notices."""
        return self.where(self.split.is_notice)

    @property
    def without_marketing(self) -> Self:
        """All messages but marketing, which counts neither as ham nor as spam."""
        return self.where(np.array(self.split.kinds) != MARKETING)

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Return the messages selected by a mask, shape (messages,)."""
        rows = np.flatnonzero(chosen)
        return type(self)(self.split.take(rows), self.scores[rows], self.expected[rows])


def metrics_of_tracks(manifest: Manifest, test: Track) -> dict[str, Any]:
    """Return the metrics of the test split.

    Args:
        manifest: provides the thresholds.
        test: the whole test split.

    Returns:
        ``test``, ``modes`` and ``test_by_corpus`` over all messages but notices, so that bundles with and without
            notices are comparable; ``today`` over the notices, if any; ``unsure`` over both, without marketing.
    """
    corpus, today, both = test.of_corpus, test.of_today, test.without_marketing
    return {
        "test": _metrics_on_test(manifest, corpus),
        "modes": metrics_of_modes(manifest, corpus.split, corpus.scores),
        "unsure": metrics_of_band(manifest, both.split, both.scores),
        "test_by_corpus": metrics_by_corpus(
            corpus.scores,
            corpus.split.is_positive,
            clusters=corpus.split.clusters,
            corpora=corpus.split.corpora,
            threshold=manifest.threshold,
        ),
        **({"today": _metrics_of_today(manifest, today)} if today.split.texts else {}),
    }


def _metrics_on_test(manifest: Manifest, track: Track) -> dict[str, dict[str, float]]:
    """Return the metrics of the shipped variant, of PyTorch, and of the shipped variant with one vote per cluster."""

    def metrics(scores: NDArray[np.float32], rows: Any = np.s_[:]) -> dict[str, float]:
        return spam_metrics(scores[rows], track.split.is_positive[rows], threshold=manifest.threshold)

    return {
        SHIPPED: metrics(track.scores),
        "pytorch": metrics(track.expected),
        f"{SHIPPED}_one_per_cluster": metrics(track.scores, track.split.one_per_cluster),
    }


def _metrics_of_today(manifest: Manifest, notices: Track) -> dict[str, Any]:
    """Return the shares of notices called spam at the shipped threshold, one vote per near-duplicate cluster.

    Keys are ``false_positive_rate`` and ``recall``, ``by_kind`` with one of the two per kind, ``modes``, and the share
    of marketing called spam, which counts in none of the others.
    """
    own, marketing = notices.without_marketing, notices.where(np.array(notices.split.kinds) == MARKETING)
    kinds = np.array(own.split.kinds)
    found = {
        **_rates(manifest, own),
        "by_kind": {str(kind): _rates(manifest, own.where(kinds == kind)) for kind in np.unique(kinds)},
        "modes": metrics_of_modes(manifest, own.split, own.scores),
    }
    if marketing.split.texts:
        found[MARKETING] = _called_spam(manifest, marketing)
    return found


def _rates(manifest: Manifest, track: Track) -> dict[str, Any]:
    """Return the shares of ham and of spam called spam, for each class that occurs."""
    sides = {name: track.split.is_positive == label for label, name in enumerate(("false_positive_rate", "recall"))}
    return {name: _called_spam(manifest, track.where(side)) for name, side in sides.items() if side.any()}


def _called_spam(manifest: Manifest, track: Track) -> dict[str, Any]:
    votes = track.scores[track.split.one_per_cluster] >= manifest.threshold
    return counted(int(votes.sum()), len(votes))
