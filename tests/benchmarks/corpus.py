"""The messages that are classified, and how many tokens they have."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from spam_edge.normalization import NORMALIZER_NAME, Normalizer
from tests.benchmarks.model import Model

T = TypeVar("T")


def read_texts(checkpoint: Path, splits: Sequence[str]) -> list[str]:
    """Return the messages of some splits of a checkpoint."""
    files = [checkpoint / "splits" / f"{name}.jsonl" for name in splits]
    return [json.loads(line)["text"] for file in files for line in file.read_bytes().splitlines()]


def packaged_texts() -> list[str]:
    """Return the messages of the packaged corpus as they come: in its own order, with what is in it twice."""
    from spam_edge.training.readers import ReadOptions
    from spam_edge.training.sources import PACKAGED, load_corpus

    return [message.text for message in load_corpus([PACKAGED], ReadOptions()).messages]


def comparable(texts: Iterable[str], checkpoint: Path) -> list[str]:
    """Return what all engines are given: messages as the checkpoint was trained on them, and scored once by each.

    Only spam-edge normalises messages, and scores the second view of those that have one: the others get the first
    views, and none of them gets a message with two.
    """
    from tokenizers import Tokenizer

    tables = checkpoint / NORMALIZER_NAME
    if not tables.is_file():
        return list(texts)
    vocabulary = Tokenizer.from_file(str(checkpoint / "tokenizer.json")).get_vocab()
    normalizer = Normalizer.open(tables, vocabulary.__contains__)
    firsts = [normalizer.views(text).text for text in texts]
    return [text for text in firsts if normalizer.views(text).joined is None]


def evenly(items: Sequence[T], count: int) -> list[T]:
    """Return ``count`` items, evenly spaced and in their order; all of them if there are no more."""
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def count_tokens(texts: Sequence[str], model: Model) -> int:
    """Count the tokens the model sees, [CLS] and [SEP] included, padding not."""
    from tests.benchmarks.engines.tokens import with_tokenizers

    return sum(map(len, with_tokenizers(model)(texts)))
