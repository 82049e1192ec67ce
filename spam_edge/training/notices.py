"""Business messages of later years for the training side: codes, deliveries, bills, and the frauds that pose as them.

In the SMS Spam Collection, collected from 2003 to 2011, next to nobody but spammers writes numbers to call, codes and
prices, and a model that learns from it alone takes a bank's code for spam. These messages say otherwise. They are no
corpus: a language model wrote them for this package, one by one, under the same licence as its code. So they are
trained on and never tested on, and what they do to a model is measured on messages that others wrote.
"""

from dataclasses import replace
from pathlib import Path

from spam_edge.training import near_duplicates, splits
from spam_edge.training.corpus import Prepared
from spam_edge.training.readers import ReadOptions, read_messages

NAME = "notices"
_FILE = Path(__file__).with_name("notices.tsv")


def with_notices(prepared: Prepared) -> Prepared:
    """Add the notices to the training side, but for those that are near duplicates of a message held out."""
    held_out = [example.text for side, rows in prepared.sides.items() if side != "train" for example in rows]
    notices = read_messages(_FILE, ReadOptions())
    clusters = near_duplicates.cluster([*(notice.text for notice in notices), *held_out])
    taken = set(clusters[len(notices) :])
    first = 1 + max(example.cluster for rows in prepared.sides.values() for example in rows)
    added = [
        splits.Example(notice.text, notice.label, first + cluster, (NAME,))
        for notice, cluster in zip(notices, clusters, strict=False)
        if cluster not in taken
    ]
    sides = {side: [*rows, *added] if side == "train" else rows for side, rows in prepared.sides.items()}
    return replace(
        prepared,
        corpus=replace(prepared.corpus, name=f"{prepared.corpus.name}, with {len(added)} notices in training"),
        fingerprint=splits.fingerprint(example for rows in sides.values() for example in rows),
        sides=sides,
    )
