"""The text library reads ``tokenizer.json`` as the tokenizers library does, or does not support it."""

import itertools
import json
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from spam_edge.text import native
from spam_edge.text.wordpiece import BertTokenizer, Vocabulary, parse_bert_tokenizer
from tests.text.disguised_texts import small_tokenizer

LIBRARY = native._library(native.FOLDER / f"libspam_text_{platform.machine()}.so")
STAND_INS = {code: byte for code, byte in native._STAND_INS.items() if byte != "\0"}
CONTENT = small_tokenizer().to_str()
TINY = Path(__file__).parents[1] / "data" / "tiny_bundle"

pytestmark = pytest.mark.skipif(LIBRARY is None, reason="this installation lacks the text library")


def _read(content: bytes) -> tuple[Vocabulary, int] | None:
    assert LIBRARY is not None
    return native._read_vocabulary(LIBRARY, content)


def _parse(content: str | bytes) -> BertTokenizer | None:
    return parse_bert_tokenizer(content.encode() if isinstance(content, str) else content, _read)


def _changed(change: Callable[[dict[str, Any]], object], **options: Any) -> str:
    tokenizer = json.loads(CONTENT)
    change(tokenizer)
    return json.dumps(tokenizer, **options)


LIKELY = '"\\/#\u20ac\u2019\u00a3\u0085\u00ff'
characters = st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from(LIKELY)
vocabularies = st.dictionaries(st.text(characters), st.integers(0, 2**31 - 1), min_size=1)


@given(vocabulary=vocabularies, indent=st.sampled_from([None, 2, "\t"]), behind=st.sampled_from(["", "}", ', "a": 1']))
@example(vocabulary={"a": 2**31 - 1, "": 0, "##": 1, "\\": 2, '"': 3, "😀": 4}, indent=None, behind="")
def test_vocabulary_matches_json_except_unsupported_characters(
    vocabulary: dict[str, int], indent: int | str | None, behind: str
) -> None:
    content = json.dumps(vocabulary, ensure_ascii=False, indent=indent)
    result = _read((content + behind).encode())
    assert result is not None
    supported = {
        word.translate(STAND_INS).encode("latin-1"): token_id
        for word, token_id in vocabulary.items()
        if word and all(character.isascii() or ord(character) in STAND_INS for character in word)
    }
    assert result[1] == len(content.encode())
    assert dict(zip(result[0].words.split(b"\n")[:-1], result[0].ids.tolist(), strict=True)) == supported


@given(vocabulary=vocabularies, data=st.data())
def test_mutated_vocabulary_matches_json_or_is_refused(vocabulary: dict[str, int], data: st.DataObject) -> None:
    content = bytearray(json.dumps(vocabulary, ensure_ascii=False).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(
            st.sampled_from(b'"\\{}:,[] 019ax\n\x00\x01\xc3\xe2\x80\xff')
        )
    result = _read(bytes(content))
    if result is not None:
        pairs = json.loads(content[: result[1]], object_pairs_hook=list)
        kept = [value for word, value in pairs if word and all(c.isascii() or ord(c) in STAND_INS for c in word)]
        assert result[0].ids.tolist() == kept


@pytest.mark.parametrize(
    "vocabulary",
    [
        *('{"a": 1', '{"a": 1,}', '{"a": }', '{"a": -1}', '{"a": 01}', '{"a": 1.0}', '{"a": 2147483648}', '{"a" 1}'),
        *("{}", "[]", "{a: 1}", '{"a": "1"}', '{"\\u0061": 1}', '{"a\\n": 1}', '{"a\nb": 1}', '{"a": 1 "b": 2}'),
        *('{"a": 99999999999999999999}', '{"\\', '{"a'),
    ],
)
def test_malformed_vocabulary_is_refused(vocabulary: str) -> None:
    assert _read(vocabulary.encode()) is None


@pytest.mark.parametrize("content", [b'{"\xff": 1}', b'{"\xc0\xaf": 1}', b'{"\xed\xa0\x80": 1}', b'{"\xe2\x82": 1}'])
def test_invalid_utf8_is_refused(content: bytes) -> None:
    assert _read(content) is None


@pytest.mark.parametrize("indent", [None, 2])
def test_tokenizer_file_is_parsed_with_and_without_indentation(indent: int | None) -> None:
    tokenizer = _parse(_changed(lambda _: None, indent=indent, ensure_ascii=False))
    assert tokenizer is not None
    vocabulary = small_tokenizer().get_vocab()
    assert tokenizer[1:] == (vocabulary["[UNK]"], vocabulary["[CLS]"], vocabulary["[SEP]"], 100)
    assert tokenizer.vocabulary.id_of("free") == vocabulary["free"]
    assert tokenizer.vocabulary.id_of("fre") is None


UNSUPPORTED: dict[str, Callable[[dict[str, Any]], object]] = {
    "no model": lambda tokenizer: tokenizer.pop("model"),
    "no vocabulary": lambda tokenizer: tokenizer["model"].pop("vocab"),
    "vocabulary elsewhere": lambda tokenizer: tokenizer.update(vocab=tokenizer["model"].pop("vocab")),
    "second vocabulary": lambda tokenizer: tokenizer["normalizer"].update(vocab={"a": 1}),
    "no unknown token": lambda tokenizer: tokenizer["model"].update(unk_token="[NEW]"),
    "unknown token of two lines": lambda tokenizer: tokenizer["model"].update(unk_token="free\nyou"),
    "fractional word length": lambda tokenizer: tokenizer["model"].update(max_input_chars_per_word=99.5),
    "no normaliser": lambda tokenizer: tokenizer.update(normalizer=None),
    "no post-processor": lambda tokenizer: tokenizer.update(post_processor=None),
    "special token of two ids": lambda tokenizer: tokenizer["post_processor"]["special_tokens"]["[CLS]"].update(
        ids=[2, 3]
    ),
    "other version": lambda tokenizer: tokenizer.update(version="9"),
    "no truncation": lambda tokenizer: tokenizer.pop("truncation"),
    "malformed truncation": lambda tokenizer: tokenizer.update(truncation={"max_length": "8"}),
    "malformed padding": lambda tokenizer: tokenizer.update(padding=5),
    "malformed decoder": lambda tokenizer: tokenizer.update(decoder={"type": "WordPiece"}),
    "decoder that is no object": lambda tokenizer: tokenizer.update(decoder=0),
    "special token without a name": lambda tokenizer: tokenizer.update(
        post_processor={"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": [5, 2]}
    ),
    "another key": lambda tokenizer: tokenizer.update(other=1),
    "another key of the model": lambda tokenizer: tokenizer["model"].update(other=1),
    "no pair": lambda tokenizer: tokenizer["post_processor"].pop("pair"),
    "added token without a flag": lambda tokenizer: tokenizer["added_tokens"][0].pop("lstrip"),
    "added token with a number for a flag": lambda tokenizer: tokenizer["added_tokens"][0].update(lstrip=0),
    "added token that is not ASCII": lambda tokenizer: tokenizer["added_tokens"][0].update(content="[\u00e9]"),
    "lowercase 1": lambda tokenizer: tokenizer["normalizer"].update(lowercase=1),
    "clean_text 1.0": lambda tokenizer: tokenizer["normalizer"].update(clean_text=1.0),
    "ideographs 1": lambda tokenizer: tokenizer["normalizer"].update(handle_chinese_chars=1),
    "true for a word length": lambda tokenizer: tokenizer["model"].update(max_input_chars_per_word=True),
    "part that is two things": lambda tokenizer: tokenizer["post_processor"]["single"][1].update(
        tokenizer["post_processor"]["single"][0]
    ),
    "second text first": lambda tokenizer: tokenizer["post_processor"]["single"][1]["Sequence"].update(id="B"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_file_of_other_structure_is_not_supported(name: str) -> None:
    assert _parse(_changed(UNSUPPORTED[name], ensure_ascii=False)) is None


@pytest.mark.parametrize("number", [-1, 2**31, 2**32 - 1, 2**32 + 2, True, 2.0, "2", None, [2]])
@pytest.mark.parametrize("processor", ["TemplateProcessing", "BertProcessing"])
def test_special_token_id_that_is_no_row_is_not_supported(number: object, processor: str) -> None:
    def change(tokenizer: dict[str, Any], of_cls: object) -> None:
        if processor == "BertProcessing":
            tokenizer["post_processor"] = {"type": processor, "sep": ["[SEP]", 3], "cls": ["[CLS]", of_cls]}
        else:
            tokenizer["post_processor"]["special_tokens"]["[CLS]"]["ids"] = [of_cls]

    assert _parse(_changed(lambda tokenizer: change(tokenizer, 2), ensure_ascii=False)) is not None
    assert _parse(_changed(lambda tokenizer: change(tokenizer, number), ensure_ascii=False)) is None


@pytest.mark.parametrize("padding", [None, {}, {"length": 8}])
@pytest.mark.parametrize("direction", [True, False])
def test_tokenizer_with_truncation_and_padding_is_supported(padding: dict[str, Any] | None, direction: bool) -> None:
    tokenizer = Tokenizer.from_str(CONTENT)
    tokenizer.enable_truncation(16)
    if padding is not None:
        tokenizer.enable_padding(pad_id=0, pad_token="[PAD]", **padding)
    content = tokenizer.to_str()
    assert _parse(content if direction else content.replace('"direction":"Right",', "", 1)) is not None


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + CONTENT,
        CONTENT.replace('"truncation":null', '"truncation":NaN'),
        CONTENT.replace('"truncation":null', '"truncation":1e999'),
        CONTENT.replace('"truncation":null', f'"truncation":{"[" * 10_000}{"]" * 10_000}'),
    ],
    ids=["byte order mark", "NaN", "infinity", "depth"],
)
def test_json_that_other_parsers_refuse_is_not_supported(content: str) -> None:
    assert _parse(content) is None


def test_vocabulary_of_colliding_hashes_is_not_supported() -> None:
    """Words chosen to collide would take quadratic time."""

    def extended(state: int, word: str) -> int:
        for character in word:
            state = ((state ^ ord(character)) * 16777619) & 0xFFFFFFFF
        return state

    state, blocks = 2166136261, []
    for _ in range(11):
        seen: dict[int, str] = {}
        for letters in itertools.product("abcdefghijklmnopqrstuvwxyz0123456789", repeat=4):
            word = "".join(letters)
            found = extended(state, word)
            if found in seen:
                blocks.append((seen[found], word))
                state = found
                break
            seen[found] = word
    words = {"".join(parts): 5 for parts in itertools.product(*blocks)}
    assert len(words) == 2**11
    content = _changed(lambda tokenizer: tokenizer["model"]["vocab"].update(words), ensure_ascii=False)
    assert _parse(content) is not None
    assert native.open_native_encoder(content.encode(), (), max_length=32, threads=1) is None


def test_repeated_keys_are_not_supported() -> None:
    assert _parse(CONTENT) is not None
    assert _parse(CONTENT.replace('"model":{', '"model":{"type":"BPE",', 1)) is None
    twice = CONTENT.replace('"vocab":{', '"vocab":{"free":1,', 1)
    assert native.open_native_encoder(twice.encode(), (), max_length=32, threads=1) is None


@given(content=st.binary())
def test_arbitrary_bytes_are_not_supported(content: bytes) -> None:
    assert _parse(content) is None
    assert _parse(b'{"model":{"vocab":' + content) is None


def test_non_numeric_special_token_id_is_not_supported() -> None:
    content = _changed(
        lambda tokenizer: tokenizer["post_processor"]["special_tokens"]["[CLS]"].update(ids=["2"]), ensure_ascii=False
    )
    assert native.open_native_encoder(content.encode(), (), max_length=32, threads=1) is None


@pytest.mark.parametrize(("message", "is_imported"), [("see you at 5, pr1ze or not", False), ("see [you] at 5", True)])
def test_tokenizers_library_is_imported_only_for_unsupported_messages(message: str, is_imported: bool) -> None:
    code = (
        "import sys; from spam_edge import SpamClassifier; SpamClassifier.load(sys.argv[1]).classify(sys.argv[2]);"
        "print('tokenizers' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(TINY), message]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == f"{is_imported}\n"
