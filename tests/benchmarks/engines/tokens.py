"""Tokenise without padding, with the tokenizer each engine's users would use."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.benchmarks.model import Model

Encoder = Callable[[Sequence[str]], list[list[int]]]


def with_tokenizers(model: Model) -> Encoder:
    """Return an encoder of the library ``tokenizers``, which has the fewest dependencies."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model.checkpoint / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(model.max_length)
    return lambda texts: [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]


def with_transformers(model: Model) -> Encoder:
    """Return the tokenizer of transformers, as users of its models have it."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model.checkpoint)  # type: ignore[no-untyped-call]
    return lambda texts: list(tokenizer(list(texts), truncation=True, max_length=model.max_length)["input_ids"])
