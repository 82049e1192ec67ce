"""Which tokenizers the text library supports: uncased BERT, as ``tokenizer.json`` describes it."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LONGEST_WORD = 255
"""Maximum of ``max_input_chars_per_word``; must match ``native/text/vocabulary.h``."""
_VOCABULARY = b'"vocab"'
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


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
    found = read(content[begin:]) if begin > 0 and content.startswith(b"{") else None
    if found is None:
        return None
    vocabulary, size = found
    try:
        rest = json.loads(content[:begin] + b"{}" + content[begin + size :], object_pairs_hook=_unique)
        return _bert_tokenizer(rest, vocabulary)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _bert_tokenizer(rest: Mapping[str, Any], vocabulary: Vocabulary) -> BertTokenizer | None:
    """Check all parts of a tokenizer but its vocabulary, which is empty in ``rest``.

    Every value is compared, so that nothing is read here that the tokenizers library reads otherwise or refuses.
    """
    normalizer, model = rest["normalizer"], rest["model"]
    name, longest_word = model["unk_token"], model["max_input_chars_per_word"]
    first, last, processor = _special_tokens(rest["post_processor"])
    # How accents and ideographs are treated does not matter: messages with them take the general path.
    expected = {
        "version": "1.0",
        "truncation": _truncation(rest["truncation"]),
        "padding": _padding(rest["padding"]),
        "added_tokens": [_added_token(token) for token in rest["added_tokens"]],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": bool(normalizer["handle_chinese_chars"]),
            "strip_accents": None if normalizer["strip_accents"] is None else bool(normalizer["strip_accents"]),
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": processor,
        "decoder": _decoder(rest["decoder"]),
        "model": {
            "type": "WordPiece",
            "unk_token": name,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": longest_word,
            "vocab": {},
        },
    }
    unknown = vocabulary.id_of(_token(name))
    if _canonical(rest) != _canonical(expected) or unknown is None:
        return None
    if not 1 <= _number(longest_word) <= LONGEST_WORD:
        return None
    return BertTokenizer(vocabulary, unknown, first, last, longest_word)


def _special_tokens(processor: Mapping[str, Any]) -> tuple[int, int, dict[str, Any]]:
    """Return the ids before and after the tokens of a text, and the processor that adds these."""
    if processor["type"] == "BertProcessing":
        first, last = (_number(processor[part][1]) for part in ("cls", "sep"))
        names = {part: _token(processor[part][0]) for part in ("cls", "sep")}
        return first, last, {"type": "BertProcessing", "sep": [names["sep"], last], "cls": [names["cls"], first]}
    cls, sep = (_token(processor["single"][at]["SpecialToken"]["id"]) for at in (0, 2))
    ids = {name: _number(processor["special_tokens"][name]["ids"][0]) for name in (cls, sep)}
    before, after, second = (
        {"SpecialToken": {"id": name, "type_id": kind}} for name, kind in ((cls, 0), (sep, 0), (sep, 1))
    )
    text, other = ({"Sequence": {"id": name, "type_id": kind}} for kind, name in enumerate("AB"))
    template = {
        "type": "TemplateProcessing",
        "single": [before, text, after],
        "pair": [before, text, after, other, second],
        "special_tokens": {name: {"id": name, "ids": [number], "tokens": [name]} for name, number in ids.items()},
    }
    return ids[cls], ids[sep], template


def _truncation(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    direction = {"direction": "Right"} if "direction" in found else {}  # older files have none
    return {"max_length": _number(found["max_length"]), "strategy": "LongestFirst", "stride": 0} | direction


def _padding(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    pad = {"pad_id": _number(found["pad_id"]), "pad_type_id": 0, "pad_token": _token(found["pad_token"])}
    fixed = isinstance(found["strategy"], dict)
    strategy = {"Fixed": _number(found["strategy"]["Fixed"])} if fixed else "BatchLongest"
    return {"strategy": strategy, "direction": "Right", "pad_to_multiple_of": None} | pad


def _decoder(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if found is None else {"type": "WordPiece", "prefix": "##", "cleanup": bool(found["cleanup"])}


def _added_token(found: Mapping[str, Any]) -> dict[str, Any]:
    content = _token(found["content"])
    if not content.startswith("["):  # a message with an opening bracket takes the general path
        raise ValueError(f"the token {content} may be in a message")
    return {"id": _number(found["id"]), "content": content} | {name: bool(found[name]) for name in _FLAGS}


def _number(value: Any) -> int:
    """Return an id or a length, which the library keeps in 32 bits.

    Raises:
        ValueError: it is none.
    """
    if type(value) is not int or value not in range(2**31):
        raise ValueError(f"{value!r} is no id and no length")
    return value


def _token(value: Any) -> str:
    """Return a token of visible ASCII characters.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, str) or not re.fullmatch("[!-~]+", value):
        raise ValueError(f"{value!r} is no token")
    return value


def _canonical(value: Any) -> str:
    """Return JSON with sorted keys, which distinguishes true, 1 and 1.0 as comparison in Python does not."""
    return json.dumps(value, sort_keys=True)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dictionary of the pairs of a JSON object; of a repeated key parsers take different ones."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is repeated")
    return found
