"""The grouped, stratified 70/10/20 split."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spam_edge.errors import InputError
from spam_edge.training.data.group_folds import GroupFolds
from spam_edge.training.data.messages import LABELS

if TYPE_CHECKING:
    from spam_edge.training.data.notices.templates import Template

NOTICES = "notices"
"""Name of the corpus of notices, see :mod:`spam_edge.training.data.notices`."""
SPLITS = ("train", "validation", "test")
_FOLDS: Mapping[str, range] = {"train": range(7), "validation": range(7, 8), "test": range(8, 10)}
_N_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Example:
    """One message for training or evaluation.

    Attributes:
        text: the message.
        label: ``HAM`` or ``SPAM``.
        cluster: number of its near-duplicate cluster.
        corpus: names of all files or datasets that contain the text, sorted.
        kind: category of the message if the corpus has one, else empty.
        template: template that generated the text, or None. Training generates a new text in each epoch.
    """

    text: str
    label: str
    cluster: int
    corpus: tuple[str, ...] = ()
    kind: str = ""
    template: "Template | None" = field(default=None, compare=False)


def split(examples: Sequence[Example], seed: int) -> dict[str, list[Example]]:
    """Split 70/10/20 into ``train``, ``validation`` and ``test``, grouped by cluster and stratified by label.

    The split is deterministic for a seed and order-independent.

    Raises:
        InputError: a label has too few clusters to occur in every split.
    """
    ordered = sorted(examples, key=lambda example: (example.text, example.label))
    labels = np.array([example.label for example in ordered])
    groups = np.array([example.cluster for example in ordered])
    _require_clusters(ordered)
    folds = GroupFolds(n_splits=_N_FOLDS, shuffle=True, random_state=seed)
    members = [held_out for _, held_out in folds.split(labels, labels, groups)]
    parts = {
        split: [ordered[i] for fold in numbers for i in sorted(members[fold])] for split, numbers in _FOLDS.items()
    }
    for split, chosen in parts.items():
        if missing := set(LABELS) - {example.label for example in chosen}:
            raise InputError(f"the {split} split would have no {missing.pop()}: too few independent messages; add data")
    return parts


def describe(examples: Sequence[Example]) -> dict[str, Any]:
    """Return the sizes of one split: messages, clusters and messages by label, in total and ``by_corpus``."""
    members = rows_by_corpus([example.corpus for example in examples])
    return _sizes(examples) | {
        "by_corpus": {name: _sizes([examples[row] for row in rows]) for name, rows in members.items()}
    }


def rows_by_corpus(corpora: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """Return the row indices of each corpus, sorted by name. A row may belong to several corpora.

    Args:
        corpora: length n, corpus names of each row, as in :class:`Example`.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, names in enumerate(corpora):
        for name in names:
            rows[name].append(row)
    return dict(sorted(rows.items()))


def fingerprint(examples: Iterable[Example]) -> str:
    """Return the order-independent sha256 over labels and texts; the template replaces a generated text."""
    rows = sorted(json.dumps([e.label, e.template.text if e.template else e.text]) for e in examples)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def one_per_cluster(examples: Sequence[Example]) -> list[int]:
    """Return the index of the first message of each cluster, which gives every cluster one vote."""
    first: dict[int, int] = {}
    for index, example in enumerate(examples):
        first.setdefault(example.cluster, index)
    return list(first.values())


def to_json_lines(examples: Iterable[Example]) -> str:
    """Return the examples as JSON Lines with the keys text, label, cluster, corpus and kind."""
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
