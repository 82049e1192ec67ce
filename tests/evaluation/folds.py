"""Who is trained on, who decides, who is tested: grouped folds, and the leaky split that papers use."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from spam_edge.training.corpus import Prepared
from spam_edge.training.messages import Message
from spam_edge.training.splits import Example

FOLDS = 5
_VALIDATION_FOLDS = 8
"""An eighth of what is not tested decides: 70/10/20, as for the model that ships."""


def grouped_folds(prepared: Prepared, *, seed: int) -> Iterator[Prepared]:
    """Yield the corpus split five times, so that every message is tested once and no near duplicate is trained on.

    Args:
        prepared: the cleaned corpus; its own split does not matter.
        seed: of the folds.
    """
    examples = sorted((e for side in prepared.sides.values() for e in side), key=lambda e: (e.text, e.label))
    for rest, test in _grouped(examples, FOLDS, seed):
        validation_rows = next(iter(_grouped(rest, _VALIDATION_FOLDS, seed)))
        train, validation = validation_rows
        yield replace(prepared, sides={"train": train, "validation": validation, "test": test})


def leaky_split(messages: Sequence[Message], prepared: Prepared, *, seed: int) -> Prepared:
    """Split all rows at random, 70/10/20, with their duplicates and templates on every side.

    This is how the figures of most papers and model cards on this corpus came about; it is no way to judge a model.
    """
    rows = [Example(message.text, message.label, cluster=index) for index, message in enumerate(messages)]
    labels = np.array([row.label for row in rows])
    folds = [held_out for _, held_out in StratifiedKFold(10, shuffle=True, random_state=seed).split(labels, labels)]
    parts = {"train": folds[:7], "validation": folds[7:8], "test": folds[8:]}
    return replace(prepared, sides={side: [rows[i] for i in np.concatenate(held)] for side, held in parts.items()})


def _grouped(examples: Sequence[Example], folds: int, seed: int) -> Iterator[tuple[list[Example], list[Example]]]:
    labels = np.array([example.label for example in examples])
    clusters = np.array([example.cluster for example in examples])
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for rest, held_out in splitter.split(labels, labels, clusters):
        yield [examples[index] for index in rest], [examples[index] for index in held_out]
