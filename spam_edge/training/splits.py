"""Cleaning and the grouped, stratified 70/10/20 split."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from spam_edge.errors import InputError
from spam_edge.training import near_duplicates
from spam_edge.training.messages import LABELS, Message

MIN_MESSAGES = 50
SPLITS = ("train", "validation", "test")
_FOLDS: Mapping[str, range] = {"train": range(7), "validation": range(7, 8), "test": range(8, 10)}
_N_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Example:
    """One message as it is trained or evaluated on; ``cluster`` numbers its near-duplicate cluster."""

    text: str
    label: str
    cluster: int


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What cleaning did, in messages unless said otherwise.

    Attributes:
        read: rows as they came.
        exact_duplicates: rows removed because the same text stood there before.
        conflicts: rows dropped because their cluster holds both labels.
        conflicting_clusters: how many clusters those were.
        kept: rows left.
        clusters: near-duplicate clusters among them.
        largest_cluster: size of the largest.
    """

    read: int
    exact_duplicates: int
    conflicts: int
    conflicting_clusters: int
    kept: int
    clusters: int
    largest_cluster: int


def clean(messages: Sequence[Message]) -> tuple[list[Example], Cleaning]:
    """Remove exact duplicates, cluster near duplicates and drop clusters with conflicting labels.

    The result is sorted by text, so that neither it nor anything after it depends on the order of the files.

    Raises:
        InputError: fewer than 50 messages or one label only is left.
    """
    texts = sorted({message.text for message in messages})
    cluster_of = dict(zip(texts, near_duplicates.cluster(texts), strict=True))
    labels: dict[int, set[str]] = defaultdict(set)
    for message in messages:
        labels[cluster_of[message.text]].add(message.label)
    label_of = {number: next(iter(found)) for number, found in labels.items() if len(found) == 1}
    examples = [Example(t, label_of[cluster_of[t]], cluster_of[t]) for t in texts if cluster_of[t] in label_of]
    cleaning = Cleaning(
        read=len(messages),
        exact_duplicates=len(messages) - len(texts),
        conflicts=len(texts) - len(examples),
        conflicting_clusters=len(labels) - len(label_of),
        kept=len(examples),
        clusters=len(label_of),
        largest_cluster=max(Counter(example.cluster for example in examples).values(), default=0),
    )
    _require_enough(examples, cleaning)
    return examples, cleaning


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


def describe(examples: Sequence[Example]) -> dict[str, int]:
    """Sizes of one side: messages, clusters, and messages by label."""
    labels = Counter(example.label for example in examples)
    sizes = {"rows": len(examples), "clusters": len({example.cluster for example in examples})}
    return sizes | {label.lower(): labels[label] for label in LABELS}


def fingerprint(examples: Iterable[Example]) -> str:
    """sha256 over the sorted texts and labels: the same for the same data in any order."""
    rows = sorted(json.dumps([example.label, example.text]) for example in examples)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def one_per_cluster(examples: Sequence[Example]) -> list[int]:
    """Indices of the first message of every cluster, so that a template sent fifty times gets one vote."""
    first: dict[int, int] = {}
    for index, example in enumerate(examples):
        first.setdefault(example.cluster, index)
    return list(first.values())


def to_json_lines(examples: Iterable[Example]) -> str:
    """JSON Lines with the keys text, label and cluster."""
    return "".join(json.dumps(asdict(example), ensure_ascii=False) + "\n" for example in examples)


def _require_enough(examples: Sequence[Example], cleaning: Cleaning) -> None:
    found = {example.label for example in examples}
    if len(examples) < MIN_MESSAGES:
        raise InputError(
            f"{len(examples)} messages are left of {cleaning.read} ({cleaning.exact_duplicates} exact duplicates, "
            f"{cleaning.conflicts} with conflicting labels); training needs at least {MIN_MESSAGES}"
        )
    if missing := set(LABELS) - found:
        raise InputError(f"the corpus holds no {missing.pop()}; training needs both labels")


def _require_clusters(examples: Sequence[Example]) -> None:
    for label in LABELS:
        clusters = len({example.cluster for example in examples if example.label == label})
        if clusters < _N_FOLDS:
            raise InputError(
                f"{clusters} independent {label} messages (near-duplicate clusters) are too few to split 70/10/20; "
                f"at least {_N_FOLDS} are needed"
            )
