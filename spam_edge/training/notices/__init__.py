"""The notices: today's messages, written for this package as templates with label, kind, region and register.

The SMS Spam Collection is from 2003 to 2011. In it nobody but a spammer writes a code, a price or a number to call.
A model that learns from it alone takes a bank's code for spam. The notices are a second corpus beside it: codes,
alerts, deliveries, appointments, personal messages with numbers, and the frauds of today. Many come in pairs of a
fraud and the genuine message that it imitates. A language model wrote them for this package, under the licence of its
code.

They are split like the collection, whole groups at a time: near duplicates and pairs stay on one side.
"""

import random
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from spam_edge.training import near_duplicates, splits
from spam_edge.training.corpus import Prepared
from spam_edge.training.notices.templates import Template, load_templates
from spam_edge.training.splits import NOTICES, Example

__all__ = ["MARKETING", "NOTICES", "Template", "load_templates", "notices", "split_notices", "with_notices"]

MARKETING = "marketing"
"""Advertising of a company to its own customers. Receivers disagree on it, so it is tested on and not trained on."""


def with_notices(prepared: Prepared, seed: int) -> Prepared:
    """Add the notices to all three sides.

    Args:
        prepared: a corpus; its own split stays as it is.
        seed: of the split of the notices.
    """
    written = notices([example for side in prepared.sides.values() for example in side])
    added = split_notices(written, seed)
    return prepared.with_examples(added, name=f"{prepared.corpus.name}, with {len(written)} notices")


def notices(others: Sequence[Example]) -> list[Example]:
    """Return one message of each template, grouped; without those that are near duplicates of ``others``.

    Args:
        others: messages of another corpus, whose clusters keep their numbers.
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
    """Split notices 70/10/20, whole groups at a time; marketing is tested on only."""
    sides = splits.split([example for example in examples if example.kind != MARKETING], seed)
    return {**sides, "test": [*sides["test"], *(example for example in examples if example.kind == MARKETING)]}


def _groups(templates: Sequence[Template], clusters: Sequence[int]) -> list[int]:
    """Unite the clusters of the two sides of each pair; what follows the templates keeps to its cluster."""
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
