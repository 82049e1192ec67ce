"""Text to token ids without padding, with the tokenizer that goes with an engine."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.benchmarks.model import Model

Encoder = Callable[[Sequence[str]], list[list[int]]]


def with_tokenizers(model: Model) -> Encoder:
    """Use the library ``tokenizers`` alone: the lightest way."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model.checkpoint / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(model.max_length)
    return lambda texts: [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]


def with_transformers(model: Model) -> Encoder:
    """Use the tokenizer of transformers, as those do who use its models."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model.checkpoint)  # type: ignore[no-untyped-call]
    return lambda texts: list(tokenizer(list(texts), truncation=True, max_length=model.max_length)["input_ids"])
