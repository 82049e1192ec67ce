"""The messages that are classified, and how many tokens they have."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

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


def evenly(items: Sequence[T], count: int) -> list[T]:
    """Return ``count`` items, evenly spaced and in their order; all of them if there are no more."""
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def count_tokens(texts: Sequence[str], model: Model) -> int:
    """Count the tokens the model sees, [CLS] and [SEP] included, padding not."""
    from tests.benchmarks.engines.tokens import with_tokenizers

    return sum(map(len, with_tokenizers(model)(texts)))
