"""The grouped, stratified 70/10/20 split."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from spam_edge.errors import InputError
from spam_edge.training.messages import LABELS

if TYPE_CHECKING:
    from spam_edge.training.notices.templates import Template

NOTICES = "notices"
"""Name of the corpus of notices, see :mod:`spam_edge.training.notices`."""
SPLITS = ("train", "validation", "test")
_FOLDS: Mapping[str, range] = {"train": range(7), "validation": range(7, 8), "test": range(8, 10)}
_N_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Example:
    """One message as it is trained or evaluated on.

    Attributes:
        text: the message.
        label: ``HAM`` or ``SPAM``.
        cluster: number of its near-duplicate cluster.
        corpus: names of all files or datasets that hold the text, sorted.
        kind: what sort of message it is, where the corpus says so.
        template: what it was drawn from, if it was; training draws it anew in each epoch.
    """

    text: str
    label: str
    cluster: int
    corpus: tuple[str, ...] = ()
    kind: str = ""
    template: "Template | None" = field(default=None, compare=False)


def split(examples: Sequence[Example], seed: int) -> dict[str, list[Example]]:
    """Split 70/10/20 into ``train``, ``validation`` and ``test``, whole clusters at a time, stratified by label.

    The same examples and seed give the same split, in whatever order the examples come.

    Raises:
        InputError: a label has so few clusters that a side would go without it.
    """
    ordered = sorted(examples, key=lambda example: (example.text, example.label))
    labels = np.array([example.label for example in ordered])
    groups = np.array([example.cluster for example in ordered])
    _require_clusters(ordered)
    folds = StratifiedGroupKFold(n_splits=_N_FOLDS, shuffle=True, random_state=seed)
    members = [held_out for _, held_out in folds.split(labels, labels, groups)]
    sides = {side: [ordered[i] for fold in numbers for i in sorted(members[fold])] for side, numbers in _FOLDS.items()}
    for side, chosen in sides.items():
        if missing := set(LABELS) - {example.label for example in chosen}:
            raise InputError(f"the {side} split would hold no {missing.pop()}: too few independent messages; add data")
    return sides


def describe(examples: Sequence[Example]) -> dict[str, Any]:
    """Sizes of one side: messages, clusters, and messages by label; ``by_corpus`` has the same of each corpus."""
    members = rows_by_corpus([example.corpus for example in examples])
    return _sizes(examples) | {
        "by_corpus": {name: _sizes([examples[row] for row in rows]) for name, rows in members.items()}
    }


def rows_by_corpus(corpora: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """Rows of each corpus, sorted by name; a message of several corpora is a row of each.

    Args:
        corpora: n lists of names, as in :class:`Example`.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, names in enumerate(corpora):
        for name in names:
            rows[name].append(row)
    return dict(sorted(rows.items()))


def fingerprint(examples: Iterable[Example]) -> str:
    """sha256 over the sorted labels and texts, or templates: the same for the same data in any order."""
    rows = sorted(json.dumps([e.label, e.template.text if e.template else e.text]) for e in examples)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def one_per_cluster(examples: Sequence[Example]) -> list[int]:
    """Indices of the first message of every cluster, so that a template sent fifty times gets one vote."""
    first: dict[int, int] = {}
    for index, example in enumerate(examples):
        first.setdefault(example.cluster, index)
    return list(first.values())


def to_json_lines(examples: Iterable[Example]) -> str:
    """JSON Lines with the keys text, label, cluster, corpus and kind."""
    keys = ("text", "label", "cluster", "corpus", "kind")
    rows = ({key: getattr(example, key) for key in keys} for example in examples)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _sizes(examples: Sequence[Example]) -> dict[str, int]:
    labels = Counter(example.label for example in examples)
    sizes = {"rows": len(examples), "clusters": len({example.cluster for example in examples})}
    return sizes | {label.lower(): labels[label] for label in LABELS}


def _require_clusters(examples: Sequence[Example]) -> None:
    for label in LABELS:
        clusters = len({example.cluster for example in examples if example.label == label})
        if clusters < _N_FOLDS:
            raise InputError(
                f"{clusters} independent {label} messages (near-duplicate clusters) are too few to split 70/10/20; "
                f"at least {_N_FOLDS} are needed"
            )
