"""Token boundaries: positions where a text can be split without changing its tokens."""

import re

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

# Whitespace that BERT treats as a space. Python and Rust define whitespace more broadly and differently, and BERT drops
# some of those characters as control characters, which joins their neighbours.
_SPACES = "\t\n\r \u00a0\u3000"
# As string.punctuation, which is slow to import.
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~、。"
_IDEOGRAPHS = "\u4e00-\u9fff"


def boundary_pattern(tokenizer: Tokenizer) -> re.Pattern[str] | None:
    """Return a pattern for the characters before which a text can be split; None if the tokenizer is not supported.

    A BERT tokenizer splits text into words and tokenises each word independently. A space, a punctuation mark or an
    ideograph is never part of a longer word. In the normalisation, only the order of combining marks depends on later
    characters, and none of these characters is a mark. Special tokens such as ``[SEP]`` are matched before words, so
    characters inside one of them are not boundaries.
    """
    normalizer, special = tokenizer.normalizer, tokenizer.get_added_tokens_decoder().values()
    is_bert = (
        isinstance(normalizer, BertNormalizer)
        and isinstance(tokenizer.pre_tokenizer, BertPreTokenizer)
        and isinstance(tokenizer.model, WordPiece)
    )
    # A single-word token depends on its neighbours. A token matched in normalised text may come from other characters.
    if not is_bert or any(token.single_word or token.normalized for token in special):
        return None
    inside = set().union(*(token.content[1:] for token in special))
    single = re.escape("".join(character for character in _SPACES + _PUNCTUATION if character not in inside))
    ideographs = _IDEOGRAPHS if normalizer.handle_chinese_chars and "".join(inside).isascii() else ""
    return re.compile(f"[{single}{ideographs}]") if single or ideographs else None
