"""Select the messages to classify, and count their tokens."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from spam_edge.text.normalization import NORMALIZER_NAME, Normalizer
from tests.benchmarks.model import Model

T = TypeVar("T")


def read_texts(checkpoint: Path, splits: Sequence[str]) -> list[str]:
    """Return the messages of these splits of a checkpoint."""
    files = [checkpoint / "splits" / f"{name}.jsonl" for name in splits]
    return [json.loads(line)["text"] for file in files for line in file.read_bytes().splitlines()]


def packaged_texts() -> list[str]:
    """Return the messages of the packaged corpus, in its own order and with duplicates."""
    from spam_edge.training.data.readers import CorpusOptions
    from spam_edge.training.data.sources import PACKAGED, load_corpus

    return [message.text for message in load_corpus([PACKAGED], CorpusOptions()).messages]


def comparable(texts: Iterable[str], checkpoint: Path) -> list[str]:
    """Return normalised messages that every engine scores exactly once.

    Only spam-edge normalises messages, and it scores two variants of some. All engines get the first variant. Messages
    with a second one are left out.
    """
    from tokenizers import Tokenizer

    tables = checkpoint / NORMALIZER_NAME
    if not tables.is_file():
        return list(texts)
    vocabulary = Tokenizer.from_file(str(checkpoint / "tokenizer.json")).get_vocab()
    normalizer = Normalizer.open(tables, vocabulary.__contains__)
    firsts = [normalizer.variants(text).text for text in texts]
    return [text for text in firsts if normalizer.variants(text).joined is None]


def evenly(items: Sequence[T], count: int) -> list[T]:
    """Return ``count`` evenly spaced items in order; all items if there are fewer."""
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def count_tokens(texts: Sequence[str], model: Model) -> int:
    """Count the tokens of the model input, with [CLS] and [SEP], without padding."""
    from tests.benchmarks.engines.tokens import with_tokenizers

    return sum(map(len, with_tokenizers(model)(texts)))
