"""Cleaning: remove exact duplicates, cluster near duplicates, and drop clusters with conflicting labels."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from spam_edge.errors import InputError
from spam_edge.training.data import near_duplicates
from spam_edge.training.data.messages import LABELS, LabelledMessage
from spam_edge.training.data.splits import Example

MIN_MESSAGES = 50


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Counts of the cleaning step, in messages unless noted.

    Attributes:
        read: rows read.
        exact_duplicates: rows removed as exact duplicates.
        conflicts: texts dropped because their cluster has both labels.
        conflicting_clusters: number of dropped clusters.
        kept: messages kept.
        clusters: number of near-duplicate clusters kept.
        largest_cluster: size of the largest cluster kept.
        clusters_across_corpora: number of clusters that span several corpora.
    """

    read: int
    exact_duplicates: int
    conflicts: int
    conflicting_clusters: int
    kept: int
    clusters: int
    largest_cluster: int
    clusters_across_corpora: int


def clean(messages: Sequence[LabelledMessage]) -> tuple[list[Example], Cleaning]:
    """Remove exact duplicates, cluster near duplicates and drop clusters with conflicting labels.

    The result is order-independent: it is sorted by text. A text found in several corpora is kept once and belongs to
    all of them.
    """
    texts = sorted({message.text for message in messages})
    cluster_of = dict(zip(texts, near_duplicates.cluster(texts), strict=True))
    labels: dict[int, set[str]] = defaultdict(set)
    corpora: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        labels[cluster_of[message.text]].add(message.label)
        corpora[message.text].add(message.file)
    label_of = {number: next(iter(found)) for number, found in labels.items() if len(found) == 1}
    examples = [
        Example(text, label_of[cluster_of[text]], cluster_of[text], tuple(sorted(corpora[text])))
        for text in texts
        if cluster_of[text] in label_of
    ]
    cleaning = Cleaning(
        read=len(messages),
        exact_duplicates=len(messages) - len(texts),
        conflicts=len(texts) - len(examples),
        conflicting_clusters=len(labels) - len(label_of),
        kept=len(examples),
        clusters=len(label_of),
        largest_cluster=max(Counter(example.cluster for example in examples).values(), default=0),
        clusters_across_corpora=_count_across_corpora(examples),
    )
    return examples, cleaning


def require_enough(examples: Sequence[Example], cleaning: Cleaning) -> None:
    """Check that enough messages are left for training.

    Raises:
        InputError: fewer than 50 messages are left, or only one label.
    """
    if len(examples) < MIN_MESSAGES:
        raise InputError(
            f"{len(examples)} messages are left of {cleaning.read} ({cleaning.exact_duplicates} exact duplicates, "
            f"{cleaning.conflicts} with conflicting labels); training needs at least {MIN_MESSAGES}"
        )
    if missing := set(LABELS) - {example.label for example in examples}:
        raise InputError(f"the corpus holds no {missing.pop()}; training needs both labels")


def _count_across_corpora(examples: Sequence[Example]) -> int:
    corpora: dict[int, set[str]] = defaultdict(set)
    for example in examples:
        corpora[example.cluster].update(example.corpus)
    return sum(len(found) > 1 for found in corpora.values())
