"""Token ids match transformers; truncation comes from the caller, never from the tokenizer file."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from spam_edge import InputError
from spam_edge.text.tokenization import TextEncoder

TINY = Path(__file__).parents[1] / "data" / "tiny_bundle"
MAX_LENGTH = 32


def _encoder(path: Path, *, max_length: int) -> TextEncoder:
    return TextEncoder(path.read_bytes(), path, max_length=max_length)


any_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return _encoder(TINY / "tokenizer.json", max_length=MAX_LENGTH)


@pytest.fixture(scope="module")
def original() -> PreTrainedTokenizerFast:
    tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(TINY)
    return tokenizer


@given(texts=st.lists(any_text, min_size=1, max_size=5))
def test_token_ids_equal_transformers_output(
    encoder: TextEncoder, original: PreTrainedTokenizerFast, texts: list[str]
) -> None:
    expected = original(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    assert [row.ids for row in encoder.encode(texts)] == expected


@given(text=any_text)
def test_truncated_flag_is_set_for_exactly_long_texts(
    encoder: TextEncoder, original: PreTrainedTokenizerFast, text: str
) -> None:
    untruncated = len(original(text, truncation=False, verbose=False)["input_ids"])
    [row] = encoder.encode([text])
    assert row.truncated == (untruncated > MAX_LENGTH)
    assert len(row.ids) == min(untruncated, MAX_LENGTH)


def test_padding_and_truncation_of_tokenizer_file_are_ignored(tmp_path: Path, encoder: TextEncoder) -> None:
    tokenizer = Tokenizer.from_file(str(TINY / "tokenizer.json"))
    tokenizer.enable_padding(length=64)
    tokenizer.enable_truncation(4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert json.loads((tmp_path / "tokenizer.json").read_text())["padding"] is not None
    texts = ["see you at 5 then", ""]
    padded = _encoder(tmp_path / "tokenizer.json", max_length=MAX_LENGTH)
    assert padded.encode(texts) == encoder.encode(texts)


def test_empty_message_has_two_special_tokens(encoder: TextEncoder) -> None:
    [row] = encoder.encode([""])
    assert len(row.ids) == 2
    assert encoder.encode([]) == []


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ("one string", "not a single string; use classify"),
        (None, "not NoneType; make a list"),
        (iter(["fine"]), "not list_iterator; make a list"),
        ({"text": 1}, "not dict; choose its column"),
        (np.array([["fine"]]), "not ndarray; choose its column"),
        (["fine", None], "message 1 is NoneType, not str"),
        ([b"bytes"], "message 0 is bytes, not str"),
        (["fine", "x\ud800"], "message 1 is not valid Unicode: lone surrogate at character 1"),
    ],
)
def test_invalid_messages_are_refused_with_position(encoder: TextEncoder, texts: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        encoder.encode(texts)
