"""Which tokenizers the text library supports: uncased BERT, as ``tokenizer.json`` describes it."""

from collections.abc import Mapping
from typing import NamedTuple

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing, TemplateProcessing

_LONGEST_WORD = 255
"""Maximum of ``max_input_chars_per_word``; must match ``native/text/vocabulary.h``."""
_PROBE = "a"


class BertVocabulary(NamedTuple):
    """What decides the token ids of text without opening brackets, accents and ideographs.

    Attributes:
        ids: id of each word and each piece; pieces begin with ``##``.
        unknown: id of [UNK].
        first: id of [CLS].
        last: id of [SEP].
        longest_word: characters of a word from which on it is unknown as a whole, minus one.
    """

    ids: Mapping[str, int]
    unknown: int
    first: int
    last: int
    longest_word: int


def bert_vocabulary(tokenizer: Tokenizer) -> BertVocabulary | None:
    """Return the vocabulary of an uncased BERT tokenizer; None if any part of the tokenizer is another.

    It takes about as long as 300 messages in the general path.
    """
    normalizer, model = tokenizer.normalizer, tokenizer.model
    if not (
        isinstance(normalizer, BertNormalizer)
        and isinstance(tokenizer.pre_tokenizer, BertPreTokenizer)
        and isinstance(tokenizer.post_processor, BertProcessing | TemplateProcessing)
        and isinstance(model, WordPiece)
    ):
        return None
    # How accents and ideographs are treated does not matter: messages with them take the general path.
    if not (normalizer.lowercase and normalizer.clean_text and model.continuing_subword_prefix == "##"):
        return None
    # A message with an opening bracket takes the general path, so none of these tokens is in any other.
    if not all(token.content.startswith("[") for token in tokenizer.get_added_tokens_decoder().values()):
        return None
    ids = tokenizer.get_vocab(with_added_tokens=False)
    special = _special_tokens(tokenizer)
    if special is None or model.unk_token not in ids or not 0 < model.max_input_chars_per_word <= _LONGEST_WORD:
        return None
    return BertVocabulary(ids, ids[model.unk_token], *special, model.max_input_chars_per_word)


def _special_tokens(tokenizer: Tokenizer) -> tuple[int, int] | None:
    """Return the ids before and after the tokens of a text; None if there is not exactly one of each."""
    around = tokenizer.encode("").ids
    probe = tokenizer.encode(_PROBE, add_special_tokens=False).ids
    if len(around) != 2 or len(probe) != 1 or tokenizer.encode(_PROBE).ids != [around[0], *probe, around[1]]:
        return None
    return around[0], around[1]
