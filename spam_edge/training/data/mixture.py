"""Composition of an epoch: the corpus, repeated, and a share of the notice templates."""

import random
from collections.abc import Sequence

from spam_edge.training.data.splits import Example
from spam_edge.training.settings import TrainingSettings


def mix(examples: Sequence[Example], settings: TrainingSettings, epoch: int = 0) -> list[Example]:
    """Return the training examples of one epoch. All epochs have the same size.

    The templates are shuffled once. Each epoch takes the next part of that order and wraps around at the end, so all
    templates are used equally often, give or take one. Without templates an epoch is the corpus, unrepeated.

    Args:
        examples: the training split.
        settings: only ``corpus_repeats``, ``template_share`` and ``seed`` are used.
        epoch: the epoch, counted from 0.
    """
    templates = [example for example in examples if example.template]
    if not templates:
        return list(examples)
    random.Random(settings.seed).shuffle(templates)  # noqa: S311 - not for cryptography
    count = max(1, round(settings.template_share * len(templates)))
    drawn = [templates[n % len(templates)] for n in range(epoch * count, (epoch + 1) * count)]
    corpus = [example for example in examples if not example.template for _ in range(settings.corpus_repeats)]
    return [*corpus, *drawn]
