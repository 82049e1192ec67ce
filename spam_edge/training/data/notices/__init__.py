"""The notices corpus: contemporary messages as templates with label, kind, region and register.

The SMS Spam Collection is from 2003 to 2011. In it only spam contains codes, prices and numbers to call, so a model
trained on it alone classifies a bank's code as spam. The notices add codes, alerts, deliveries, appointments, personal
messages with numbers, and current frauds. Many come in pairs of a fraud and the genuine message it imitates. A
language model wrote them for this package; they are under the licence of its code.

The split is grouped: near duplicates and pairs stay in one split.
"""

import random
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from spam_edge.training.data import near_duplicates, splits
from spam_edge.training.data.corpus import Prepared
from spam_edge.training.data.notices.templates import Template, load_templates
from spam_edge.training.data.splits import NOTICES, Example

__all__ = ["MARKETING", "NOTICES", "Template", "load_templates", "notices", "split_notices", "with_notices"]

MARKETING = "marketing"
"""Kind of a company's advertising to its own customers. Its label is disputed, so it is only in the test split."""


def with_notices(prepared: Prepared, seed: int) -> Prepared:
    """Add the notices to all three splits.

    Args:
        prepared: a corpus; its own split does not change.
        seed: seed of the notices' split.
    """
    written = notices([example for split in prepared.splits.values() for example in split])
    added = split_notices(written, seed)
    return prepared.with_examples(added, name=f"{prepared.corpus.name}, with {len(written)} notices")


def notices(others: Sequence[Example]) -> list[Example]:
    """Return one message per template, without groups that contain a near duplicate of ``others``.

    Args:
        others: messages of another corpus. The notices' cluster numbers start after theirs.
    """
    templates = load_templates()
    texts = [template.fill(random.Random(template.text)) for template in templates]  # noqa: S311 - not for secrets
    groups = _groups(templates, near_duplicates.cluster([*texts, *(example.text for example in others)]))
    taken = set(groups[len(texts) :])
    first = 1 + max((example.cluster for example in others), default=-1)
    return [
        Example(text, template.label, first + group, (NOTICES,), template.kind, template)
        for text, template, group in zip(texts, templates, groups, strict=False)
        if group not in taken
    ]


def split_notices(examples: Sequence[Example], seed: int) -> dict[str, list[Example]]:
    """Split notices 70/10/20 by group. Marketing is only in the test split."""
    parts = splits.split([example for example in examples if example.kind != MARKETING], seed)
    return {**parts, "test": [*parts["test"], *(example for example in examples if example.kind == MARKETING)]}


def _groups(templates: Sequence[Template], clusters: Sequence[int]) -> list[int]:
    """Merge the clusters of each pair and return the group of each row; rows after the templates have no pair."""
    members: dict[str, int] = {}
    links = [
        (clusters[row], members.setdefault(template.pair, clusters[row]))
        for row, template in enumerate(templates)
        if template.pair
    ]
    n = 1 + max(clusters, default=-1)
    rows, columns = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links), dtype=np.int8), (rows, columns)), shape=(n, n))
    _, united = connected_components(graph, directed=False)
    return [int(united[cluster]) for cluster in clusters]
