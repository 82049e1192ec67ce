"""Long texts: tokenising a prefix gives the same ids as tokenising the whole text."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from tokenizers.normalizers import BertNormalizer, Lowercase
from tokenizers.pre_tokenizers import Whitespace

from spam_edge.text.boundaries import _PUNCTUATION, _SPACES, boundary_pattern
from spam_edge.text.normalization import Normalizer
from spam_edge.text.tokenization import READS, TextEncoder, TokenIds
from spam_edge.text.variants import VariantEncoder

TOKENIZER = Path(__file__).parents[1] / "data" / "tiny_bundle" / "tokenizer.json"
MAX_LENGTH = 32


def _with_token(**settings: Any) -> Callable[[Tokenizer], None]:
    content = settings.pop("content", "<a b漢.c>")
    special = settings.pop("special", True)
    token = AddedToken(content, **settings)
    return lambda tokenizer: (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([token])


def _with(**parts: Any) -> Callable[[Tokenizer], None]:
    return lambda tokenizer: [setattr(tokenizer, name, part) for name, part in parts.items()] and None


KINDS: dict[str, Callable[[Tokenizer], None]] = {
    "uncased": lambda _: None,
    "cased, ideographs kept in words": _with(
        normalizer=BertNormalizer(lowercase=False, strip_accents=False, handle_chinese_chars=False)
    ),
    "control characters kept": _with(normalizer=BertNormalizer(clean_text=False)),
    "spaces before a special token eaten": _with_token(content="[MASK]", lstrip=True, rstrip=True),
    "a special token with boundaries inside": _with_token(),
    "a special token that is a word of its own": _with_token(content="free", single_word=True),
    "a token of the normalised text": _with_token(content="a b", normalized=True, special=False),
    "not BERT": _with(normalizer=Lowercase(), pre_tokenizer=Whitespace()),
}
WITHOUT_BOUNDARIES = {"a special token that is a word of its own", "a token of the normalised text", "not BERT"}


@cache
def _tokenizer(kind: str) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    KINDS[kind](tokenizer)
    return tokenizer


@cache
def _encoder(kind: str, max_length: int) -> TextEncoder:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        _tokenizer(kind).save(str(path))
        return TextEncoder(path.read_bytes(), path, max_length=max_length)


def _expected_ids(text: str, max_length: int, kind: str = "uncased") -> TokenIds:
    """Tokenise the whole text and truncate the ids without the tokenizers library."""
    ids = _tokenizer(kind).encode(text).ids
    return TokenIds([*ids[: max_length - 1], ids[-1]], True) if len(ids) > max_length else TokenIds(ids, False)


# Characters and words that a tokenizer may treat specially, alone or next to others.
WORDS = ["a", "ab", "I", "win", "free", "x" * 99, "y" * 100, "z" * 101]
SPECIAL = ["[CLS]", "[MASK]", "[UNK]", "[SEP", "MASK", "[", "]", "<a b漢.c>", "<a b", "漢.c>"]
SPACES = [" ", "  ", "\r\n", *"\t\n\u00a0\u1680\u2003\u2028\u202f\u3000"]
VANISHING = [*"\x00\x07\x0b\x0c\x1c\x1f\x85\u00ad\u180e\u200b\u200d\ue000\ufeff\ufffd"]
MARKS = [*"\u0301\u0327\u0345\u05b0\u0e38\u20dd\u302e\u3099\U0001d165\U0001d16d"]
LETTERS = [*"éñßİΣςﬁÅ\u212b\u037e≠가각ข٣", "👍", "👩\u200d👧", "🇩🇪"]
IDEOGRAPHS = [*"漢字豈𠀀", "かな"]
PUNCTUATION = [".", "!?", "'", "-", "_", "$", *"、。「\uff01"]
NASTY = [*WORDS, *SPECIAL, *SPACES, *VANISHING, *MARKS, *LETTERS, *IDEOGRAPHS, *PUNCTUATION]

any_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
nasty_texts = st.lists(
    st.tuples(st.one_of(st.sampled_from(NASTY), any_text), st.sampled_from([1, 1, 1, 2, 30])),
    max_size=60,
).map(lambda parts: "".join(piece * count for piece, count in parts))


@pytest.mark.parametrize("kind", KINDS)
@given(texts=st.lists(nasty_texts, min_size=1, max_size=3), max_length=st.sampled_from([3, 4, 7, MAX_LENGTH]))
def test_tokenising_prefix_gives_ids_of_whole_text(kind: str, texts: list[str], max_length: int) -> None:
    assert _encoder(kind, max_length).encode(texts) == [_expected_ids(text, max_length, kind) for text in texts]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in WITHOUT_BOUNDARIES])
def test_tokens_never_span_text_boundary(kind: str) -> None:
    pattern = boundary_pattern(_tokenizer(kind))
    assert pattern is not None

    def ids(texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in _tokenizer(kind).encode_batch(texts, add_special_tokens=False)]

    texts = [f"{before}{one}{two}free" for before, (one, two) in product(("", "free"), product(NASTY, repeat=2))]
    wholes = ids(texts)
    cuts = [(number, match.start()) for number, text in enumerate(texts) for match in pattern.finditer(text)]
    assert cuts
    firsts = ids([texts[number][:cut] for number, cut in cuts])
    seconds = ids([texts[number][cut:] for number, cut in cuts])
    for (number, cut), first, second in zip(cuts, firsts, seconds, strict=True):
        assert first + second == wholes[number], f"{texts[number]!r} at {cut}"


def test_unsupported_tokenizers_have_no_boundary_pattern() -> None:
    assert {kind for kind in KINDS if boundary_pattern(_tokenizer(kind)) is None} == WITHOUT_BOUNDARIES


def test_tokenizer_with_all_boundaries_in_one_token_has_no_boundary_pattern() -> None:
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.normalizer = BertNormalizer(lowercase=True, handle_chinese_chars=False)
    tokenizer.add_special_tokens([AddedToken("[" + _SPACES + _PUNCTUATION, special=True, normalized=False)])
    assert boundary_pattern(tokenizer) is None


LONG = 100_000


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("see you at 5 then " * (LONG // 18), id="words"),
        pytest.param("x" * LONG, id="one word, one [UNK]"),
        pytest.param("x" * LONG + " you", id="one word and another"),
        pytest.param("see " * 63 + "x" * LONG, id="the last word has no end in sight"),
        pytest.param("see" * 85 + " " + "x" * 100 + "x" * LONG, id="cut where a word reaches 100 characters"),
        pytest.param(" " * LONG, id="nothing but spaces"),
        pytest.param("\t\r\n\u3000" * (LONG // 4), id="nothing but other spaces"),
        pytest.param(" " * LONG + "you", id="spaces, then a word"),
        pytest.param("see " * 30 + " " * LONG, id="it just fits, then spaces"),
        pytest.param("see " * 30 + " " * LONG + "you", id="it just fits, then spaces, then a word"),
        pytest.param("see " * 31 + " " * LONG, id="one too many, then spaces"),
        pytest.param("\x00\x07\ufffd\u200b" * (LONG // 4), id="all of it vanishes"),
        pytest.param("see " * 30 + "\x07" * LONG, id="it just fits, the rest vanishes"),
        pytest.param("se" + "\x07" * LONG + "e you", id="a word around what vanishes"),
        pytest.param("e" + "\u0301" * LONG, id="accents without end"),
        pytest.param("漢字" * (LONG // 2), id="ideographs"),
        pytest.param("漢字" * 15 + "\u0301" * LONG, id="ideographs that just fit, then accents"),
        pytest.param("👍" * LONG, id="emoji, one [UNK]"),
        pytest.param("!" * LONG, id="punctuation"),
        pytest.param("[SEP]" * (LONG // 5), id="special tokens"),
        pytest.param("[MASK" * (LONG // 5), id="almost special tokens"),
    ],
)
def test_long_texts_get_truncated_ids_of_whole_text(text: str) -> None:
    for size in (len(text), len(text) - 1, 1000, 257, 256, 255):
        [row] = _encoder("uncased", MAX_LENGTH).encode([text[:size]])
        assert row == _expected_ids(text[:size], MAX_LENGTH)


class CountingTokenizer:
    """A tokenizer that counts the characters of its input."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.characters = 0

    def encode_batch_fast(self, texts: Sequence[str]) -> Any:
        self.characters += sum(map(len, texts))
        return self._tokenizer.encode_batch_fast(texts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        pytest.param("see you at 5 then " * 60_000, 300, id="words"),
        pytest.param("漢字" * 500_000, 300, id="ideographs"),
        pytest.param("😀!" * 500_000, 300, id="emoji between punctuation"),
        # Dropped characters force retries up to the limit; the total is two thirds more than reading it once.
        pytest.param(" " * 1_000_000, READS * 5 // 3, id="spaces"),
        pytest.param("x" * 1_000_000, READS, id="one word"),
        pytest.param("😀" * 1_000_000, READS, id="emoji"),
    ],
)
def test_megabyte_text_is_tokenised_only_up_to_limit(text: str, limit: int) -> None:
    encoder = TextEncoder(TOKENIZER.read_bytes(), TOKENIZER, max_length=MAX_LENGTH)
    counting = encoder.tokenizer = CountingTokenizer(encoder.tokenizer)
    encoder.encode([text])
    assert counting.characters <= limit


@pytest.mark.parametrize("character", ["x", "😀", " ", "\u0301", "\x07", "漢", "!"])
def test_text_beyond_read_limit_is_ignored_and_flagged_truncated(character: str) -> None:
    encoder = _encoder("uncased", MAX_LENGTH)
    within, beyond = character * READS, character * READS + "you"
    assert encoder.encode([within]) == [_expected_ids(within, MAX_LENGTH)]
    expected = _expected_ids(within, MAX_LENGTH)._replace(truncated=True)
    assert encoder.encode(["see", beyond, "you"])[1] == expected
    tables = TOKENIZER.with_name("normalizer.json")
    for normalizer in (None, Normalizer.parse(tables.read_bytes(), tables, encoder.is_word)):
        variants = VariantEncoder(encoder, normalizer).encode(["see", beyond, within, "f r e e"])
        rows, truncated = variants.rows.to_lists(), variants.first_rows.truncated.tolist()
        assert truncated == [False, True, truncated[2], False]
        assert rows[1] == rows[2]


def test_batch_of_mixed_lengths_keeps_message_order() -> None:
    texts = ["see you", "", "free " * 5000, "ok", " " * 5000, "x" * 3000 + " win", "at 5"] * 3
    assert _encoder("uncased", MAX_LENGTH).encode(texts) == [_expected_ids(text, MAX_LENGTH) for text in texts]
