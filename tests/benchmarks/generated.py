"""Generate any number of messages: seeded, of mixed length, mostly distinct, one at a time."""

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

LONG_EVERY, REPEAT_EVERY = 200, 50
"""Every 200th message is much longer than the model reads; every 50th is a duplicate."""
_MEDIAN_WORDS, _SPREAD = (
    15,
    0.8,
)  # of a log-normal distribution: many short messages, few long ones, as in a real corpus
_LONG_WORDS = (200, 2000)
_GROUP_ROWS = 100_000
_REPEATED = "WINNER!! Call 09061701461 to claim your prize"


def whole_words(bundle: Path) -> list[str]:
    """Return the words that are a single token of a bundle's vocabulary."""
    from tokenizers import Tokenizer

    from spam_edge.bundle.locate import TOKENIZER_NAME

    vocabulary = Tokenizer.from_file(str(bundle / TOKENIZER_NAME)).get_vocab()
    return sorted(word for word in vocabulary if word.isascii() and word.isalpha() and word.islower() and len(word) > 1)


def mixed_messages(words: list[str], count: int, *, seed: int) -> Iterator[str]:
    """Yield messages of these words and a number, from one word to two thousand."""
    rng = random.Random(seed)
    for number in range(count):
        if number % REPEAT_EVERY == REPEAT_EVERY - 1:
            yield _REPEATED
            continue
        size = max(1, round(_MEDIAN_WORDS * rng.lognormvariate(0, _SPREAD)))
        if number % LONG_EVERY == LONG_EVERY // 2:
            size = rng.randint(*_LONG_WORDS)
        yield f"{' '.join(rng.choices(words, k=size))} {rng.randrange(10**5)}"


def write_table(path: Path, words: list[str], rows: int, *, seed: int) -> None:
    """Write such messages as Parquet with the columns ``id`` and ``text``, one row group at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    messages = mixed_messages(words, rows, seed=seed)
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, _GROUP_ROWS):
            texts = list(islice(messages, _GROUP_ROWS))
            numbers = range(start, start + len(texts))
            writer.write_table(pa.table([pa.array(numbers, pa.int64()), pa.array(texts)], schema=schema))


def messages_of(words: list[str], tokens: int, count: int, *, seed: int) -> list[str]:
    """Return messages of ``tokens`` words, each one token; [CLS] and [SEP] are not counted."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(words, k=tokens)) for _ in range(count)]
