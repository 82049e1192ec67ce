"""Who is trained on, who decides, who is tested: grouped folds, and the leaky split that papers use.

There are three tracks, each with figures of its own. The corpus is what earlier evaluations were of, and its figures
can be held against theirs. The notices are messages of today. Marketing among them is reported apart, as whether it is
spam is the receiver's to say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from spam_edge.training.corpus import Prepared
from spam_edge.training.messages import Message
from spam_edge.training.notices import MARKETING
from spam_edge.training.splits import NOTICES, Example

CORPUS = "corpus"
"""The track of whatever is no notice; the other two are :data:`NOTICES` and :data:`MARKETING`."""
FOLDS = 5
_VALIDATION_FOLDS = 8
"""An eighth of what is not tested decides: 70/10/20, as for the model that ships."""


def grouped_folds(prepared: Prepared, *, seed: int, notices: Sequence[Example] = ()) -> Iterator[Prepared]:
    """Yield the corpus split five times, so that every message is tested once and no near duplicate is trained on.

    Args:
        prepared: the cleaned corpus; its own split does not matter.
        seed: of the folds.
        notices: are split into five folds of their own, which stand beside those of the corpus and do not move them.
            Marketing is tested in the fold that its group falls to, and neither trained on nor decided with.
    """
    corpus = [example for side in prepared.sides.values() for example in side]
    added = _sides(notices, seed) if notices else iter(())
    for sides in _sides(corpus, seed):
        beside = {
            side: [example for example in examples if side == "test" or example.kind != MARKETING]
            for side, examples in next(added, {}).items()
        }
        yield replace(prepared, sides=sides).with_examples(beside, name=prepared.corpus.name)


def by_track(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Return the messages of each track that has any, in their order."""
    found: dict[str, list[Example]] = {}
    for example in examples:
        found.setdefault(_track_of(example), []).append(example)
    return found


def leaky_split(messages: Sequence[Message], prepared: Prepared, *, seed: int) -> Prepared:
    """Split all rows at random, 70/10/20, with their duplicates and templates on every side.

    This is how the figures of most papers and model cards on this corpus came about; it is no way to judge a model.
    Notices are no part of it, as they are none of those papers.
    """
    rows = [Example(message.text, message.label, cluster=index) for index, message in enumerate(messages)]
    labels = np.array([row.label for row in rows])
    folds = [held_out for _, held_out in StratifiedKFold(10, shuffle=True, random_state=seed).split(labels, labels)]
    parts = {"train": folds[:7], "validation": folds[7:8], "test": folds[8:]}
    return replace(prepared, sides={side: [rows[i] for i in np.concatenate(held)] for side, held in parts.items()})


def _track_of(example: Example) -> str:
    if NOTICES not in example.corpus:
        return CORPUS
    return MARKETING if example.kind == MARKETING else NOTICES


def _sides(examples: Sequence[Example], seed: int) -> Iterator[dict[str, list[Example]]]:
    ordered = sorted(examples, key=lambda example: (example.text, example.label))
    for rest, test in _grouped(ordered, FOLDS, seed):
        train, validation = next(iter(_grouped(rest, _VALIDATION_FOLDS, seed)))
        yield {"train": train, "validation": validation, "test": test}


def _grouped(examples: Sequence[Example], folds: int, seed: int) -> Iterator[tuple[list[Example], list[Example]]]:
    labels = np.array([example.label for example in examples])
    clusters = np.array([example.cluster for example in examples])
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for rest, held_out in splitter.split(labels, labels, clusters):
        yield [examples[index] for index in rest], [examples[index] for index in held_out]
