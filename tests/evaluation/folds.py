"""Split messages into grouped folds, and into the leaky random split that most papers use.

Messages belong to one of three tracks, which are reported separately:

- the corpus, comparable with earlier evaluations,
- the notices, messages of today,
- marketing among the notices, because whether it is spam depends on the receiver.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from sklearn.model_selection import StratifiedKFold

from spam_edge.training.data.corpus import Prepared
from spam_edge.training.data.group_folds import GroupFolds
from spam_edge.training.data.messages import LabelledMessage
from spam_edge.training.data.notices import MARKETING
from spam_edge.training.data.splits import NOTICES, Example

CORPUS = "corpus"
"""Track of all messages that are not notices. The other two are :data:`NOTICES` and :data:`MARKETING`."""
FOLDS = 5
_VALIDATION_FOLDS = 8
"""One eighth of the messages outside the test split is for validation: 70/10/20, as for the shipped model."""


def grouped_folds(prepared: Prepared, *, seed: int, notices: Sequence[Example] = ()) -> Iterator[Prepared]:
    """Yield five grouped folds. Each message is tested once, with no near duplicate in training.

    Args:
        prepared: the cleaned corpus; its own split is ignored.
        seed: seed of the folds.
        notices: split into five folds of their own, which are appended to the corpus folds and do not change them.
            Marketing is only ever tested, in the fold of its group.
    """
    corpus = [example for split in prepared.splits.values() for example in split]
    added = _sides(notices, seed) if notices else iter(())
    for splits in _sides(corpus, seed):
        beside = {
            split: [example for example in examples if split == "test" or example.kind != MARKETING]
            for split, examples in next(added, {}).items()
        }
        yield replace(prepared, splits=splits).with_examples(beside, name=prepared.corpus.name)


def by_track(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Group messages by track, in order. Tracks without messages are absent."""
    found: dict[str, list[Example]] = {}
    for example in examples:
        found.setdefault(_track_of(example), []).append(example)
    return found


def leaky_split(messages: Sequence[LabelledMessage], prepared: Prepared, *, seed: int) -> Prepared:
    """Split all rows at random, 70/10/20, without regard to duplicates and templates.

    Most papers and model cards on this corpus report figures from such a split. It overestimates quality.
    Notices are excluded, because those papers have none.
    """
    rows = [Example(message.text, message.label, cluster=index) for index, message in enumerate(messages)]
    labels = np.array([row.label for row in rows])
    folds = [held_out for _, held_out in StratifiedKFold(10, shuffle=True, random_state=seed).split(labels, labels)]
    parts = {"train": folds[:7], "validation": folds[7:8], "test": folds[8:]}
    return replace(prepared, splits={split: [rows[i] for i in np.concatenate(held)] for split, held in parts.items()})


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
    splitter = GroupFolds(folds, shuffle=True, random_state=seed)
    for rest, held_out in splitter.split(labels, labels, clusters):
        yield [examples[index] for index in rest], [examples[index] for index in held_out]
