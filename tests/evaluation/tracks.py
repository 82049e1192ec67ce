"""Join the messages of one track over all folds, with the scores of every system."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.evaluation.evasion import Attacked, evaded, worst_of
from tests.evaluation.modes import mode_figures
from tests.evaluation.report.document import BASELINE, OURS
from tests.evaluation.statistics import Scored, one_vote_per_label

FoldScores = Mapping[str, Any]
"""Scores on the test messages of one fold, as JSON.

Keys: ``made_from``; the bundle's ``thresholds`` by mode and its ``temperature``; ``controls``; and for each track with
messages ``texts``, ``is_spam``, ``clusters``, ``kinds``, ``scores`` and ``calls`` by system, and ``attacks``.
"""


class Track:
    """The messages of one track, each scored by the model of its fold, which saw no near duplicate of it.

    Args:
        folds: results of the folds.
        name: name of the track; at least one fold has messages of it.

    Attributes:
        texts: the messages.
        kinds: kind of each message.
        is_spam: shape (messages,).
        clusters: shape (messages,).
        systems: scores and calls by system.
        votes: indices of the rows that vote, the first of each label of each cluster.
    """

    def __init__(self, folds: Sequence[FoldScores], name: str) -> None:
        self._folds = [fold for fold in folds if name in fold]
        self._parts = [fold[name] for fold in self._folds]
        self.texts: list[str] = [text for part in self._parts for text in part["texts"]]
        self.kinds: list[str] = [kind for part in self._parts for kind in part["kinds"]]
        self.is_spam = np.array([value for part in self._parts for value in part["is_spam"]], dtype=np.bool_)
        self.clusters = np.array([value for part in self._parts for value in part["clusters"]], dtype=np.int64)
        self.votes = one_vote_per_label(self.clusters, self.is_spam)
        self.systems = {system: self._scored(system) for system in self._parts[0]["scores"]}

    def thresholds(self, mode: str) -> NDArray[np.float64]:
        """Return for each message the threshold of a mode in its fold, shape (messages,)."""
        return np.concatenate(
            [
                np.full(len(part["texts"]), fold["thresholds"][mode])
                for fold, part in zip(self._folds, self._parts, strict=True)
            ]
        )

    def modes(self, rows: NDArray[np.intp]) -> dict[str, dict[str, Any]]:
        """Return the figures of each mode on these rows."""
        thresholds = {mode: self.thresholds(mode)[rows] for mode in self._folds[0]["thresholds"]}
        return mode_figures(self.systems[OURS].scores[rows], self.is_spam[rows], thresholds)

    @cached_property
    def baseline_threshold(self) -> float:
        """The threshold at which the baseline has as many false positives as ours."""
        ours, baseline = (self.systems[name].take(self.votes) for name in (OURS, BASELINE))
        false_positives = int((ours.called & ~ours.is_spam).sum())
        ranked = np.sort(baseline.scores[~baseline.is_spam])[::-1]
        return float(ranked[min(false_positives, len(ranked) - 1)])

    def evasion(self) -> list[dict[str, Any]]:
        """Return the figures of each attack, and of the worst attack for each message."""
        found = [[Attacked(**attack) for attack in part["attacks"]] for part in self._parts]
        kinds = dict.fromkeys(attack.kind for attacks in found for attack in attacks)
        entries = [
            self._attacked([[one for one in attacks if one.kind == kind] for attacks in found]) for kind in kinds
        ]
        return [*entries, self._attacked([[worst_of(attacks)] for attacks in found])]

    def _attacked(self, folds: Sequence[Sequence[Attacked]]) -> dict[str, Any]:
        caught, clean, theirs = [], [], []
        for fold, part, attacks in zip(self._folds, self._parts, folds, strict=True):
            threshold = fold["thresholds"]["balanced"]
            for attack in attacks:
                caught += [score >= threshold for score in attack.ours]
                clean += [part["scores"][OURS][row] >= threshold for row in attack.rows]
                theirs += [score > self.baseline_threshold for score in attack.baseline]
        kind = next(attack.kind for attacks in folds for attack in attacks)
        return evaded(kind, caught, clean, theirs)

    def _scored(self, system: str) -> Scored:
        scores = np.array([value for part in self._parts for value in part["scores"][system]], dtype=np.float64)
        called = np.array([value for part in self._parts for value in part["calls"][system]], dtype=np.bool_)
        return Scored(scores, called, self.is_spam, self.clusters)
