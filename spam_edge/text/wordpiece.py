"""Which tokenizers the text library supports: uncased BERT, as ``tokenizer.json`` describes it."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LONGEST_WORD = 255
"""Maximum of ``max_input_chars_per_word``; must match ``native/text/vocabulary.h``."""
_VOCABULARY = b'"vocab"'


class Vocabulary(NamedTuple):
    """Words with ids, as the text library stores them.

    Attributes:
        words: each word with a line feed behind it; ``##`` begins a piece inside a word. Words with characters that the
            library does not handle are left out.
        ids: id of each word, shape (words,).
    """

    words: bytes
    ids: NDArray[np.int32]

    def id_of(self, word: str) -> int | None:
        """Return the id of an ASCII word."""
        at = (b"\n" + self.words).find(f"\n{word}\n".encode())
        return None if at < 0 else int(self.ids[self.words.count(b"\n", 0, at)])


class BertTokenizer(NamedTuple):
    """What decides the token ids of text without opening brackets, accents and ideographs.

    Attributes:
        vocabulary: the words and pieces.
        unknown: id of [UNK].
        first: id of [CLS].
        last: id of [SEP].
        longest_word: characters of a word from which on it is unknown as a whole, minus one.
    """

    vocabulary: Vocabulary
    unknown: int
    first: int
    last: int
    longest_word: int


ReadVocabulary = Callable[[bytes], tuple[Vocabulary, int] | None]
"""Reads the JSON object of words and ids with which some bytes begin, and returns it and its length; None on errors."""


def parse_bert_tokenizer(content: bytes, read: ReadVocabulary) -> BertTokenizer | None:
    """Parse the content of ``tokenizer.json``; return None if any part differs from an uncased BERT tokenizer.

    Args:
        content: the file.
        read: reads the vocabulary, by far the largest part.
    """
    begin = content.find(b"{", content.find(_VOCABULARY))
    found = read(content[begin:]) if begin > 0 else None
    if found is None:
        return None
    vocabulary, size = found
    try:
        rest = json.loads(content[:begin] + b"{}" + content[begin + size :], object_pairs_hook=_unique)
        return _bert_tokenizer(rest, vocabulary)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _bert_tokenizer(rest: Mapping[str, Any], vocabulary: Vocabulary) -> BertTokenizer | None:
    """Check all parts of a tokenizer but its vocabulary, which is empty in ``rest``."""
    normalizer, model = rest["normalizer"], rest["model"]
    unknown, longest_word = vocabulary.id_of(model["unk_token"]), model["max_input_chars_per_word"]
    # How accents and ideographs are treated does not matter: messages with them take the general path.
    is_bert = (
        (normalizer["type"], normalizer["lowercase"], normalizer["clean_text"]) == ("BertNormalizer", True, True)
        and rest["pre_tokenizer"] == {"type": "BertPreTokenizer"}
        and (model["type"], model["continuing_subword_prefix"], model["vocab"]) == ("WordPiece", "##", {})
        # A message with an opening bracket takes the general path, so none of these tokens is in any other.
        and all(token["content"].startswith("[") for token in rest["added_tokens"])
    )
    special = _special_tokens(rest["post_processor"])
    if not is_bert or unknown is None or special is None or longest_word not in range(1, LONGEST_WORD + 1):
        return None
    return BertTokenizer(vocabulary, unknown, *special, longest_word)


def _special_tokens(processor: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the ids before and after the tokens of a text; None if there is not exactly one of each."""
    if processor["type"] == "BertProcessing":
        return processor["cls"][1], processor["sep"][1]
    if processor["type"] != "TemplateProcessing":
        return None
    before, text, after = processor["single"]
    if text["Sequence"]["id"] != "A":
        return None
    [first], [last] = (processor["special_tokens"][part["SpecialToken"]["id"]]["ids"] for part in (before, after))
    return first, last


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dictionary of the pairs of a JSON object; of a repeated key parsers take different ones."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is repeated")
    return found
