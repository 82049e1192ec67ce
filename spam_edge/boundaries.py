"""Where a text may be cut in two so that its tokens are those of the one part, then those of the other."""

import re
import string

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

# Whitespace that BERT takes for a space. Python and Rust call more characters whitespace, but not the same ones, and
# BERT drops some of them as control characters, which joins what stands on either side.
_SPACES = "\t\n\r \u00a0\u3000"
_PUNCTUATION = string.punctuation + "、。"
_IDEOGRAPHS = "\u4e00-\u9fff"


def boundary_pattern(tokenizer: Tokenizer) -> re.Pattern[str] | None:
    """Return what matches characters before which a text may be cut, or None where too little is known.

    A BERT tokenizer makes words first, and tokens of each word for itself; no word holds a space, a punctuation mark or
    an ideograph beside another character. Of its normalisation only the order of combining marks depends on what
    follows, and none of these characters is a mark. What is left are special tokens such as ``[SEP]``, which are found
    before words are: a character that stands inside one of them is no boundary.
    """
    normalizer, special = tokenizer.normalizer, tokenizer.get_added_tokens_decoder().values()
    is_bert = (
        isinstance(normalizer, BertNormalizer)
        and isinstance(tokenizer.pre_tokenizer, BertPreTokenizer)
        and isinstance(tokenizer.model, WordPiece)
    )
    # A token that has to be a word of its own depends on its neighbours; one that is looked for in the normalised text
    # may be made of other characters there.
    if not is_bert or any(token.single_word or token.normalized for token in special):
        return None
    inside = set().union(*(token.content[1:] for token in special))
    single = re.escape("".join(character for character in _SPACES + _PUNCTUATION if character not in inside))
    ideographs = _IDEOGRAPHS if normalizer.handle_chinese_chars and "".join(inside).isascii() else ""
    return re.compile(f"[{single}{ideographs}]")
