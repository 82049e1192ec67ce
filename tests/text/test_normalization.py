"""Normalisation of any text: valid, idempotent and bounded in time; the tables are loaded lazily."""

# ruff: noqa: RUF001 - the tests use confusable characters

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spam_edge import BundleIntegrityError
from spam_edge.text.normalization import Normalizer
from spam_edge.text.normalization.normalizer import READS
from spam_edge.text.normalization.tables import Tables, character_class
from tests.support.normalizers import NEW_NORMALIZER, NORMALIZER, PATH, TABLES, WORDS

STRANGE = st.sampled_from(
    [
        *(
            "&",
            "&amp;",
            "&#8203;",
            "&#x202e;",
            "&#65;",
            "amp;",
            "#38;",
            ";",
            "＆",
            "＃",
            "\b",
            "\u202e",
            "\u202c",
            "\n",
        ),
        *("\u200b", "\u200d", "\ufe0f", "\u20e3", "\u0301", "\u0308", "\u0306", "\x98", "\x85", "\x07", "\u3164"),
        *("е", "ё", "ж", "сор", "α", "β", "Å", "é", "ｅ", "𝐞", "ⓔ", "🅴", "🇬", "🇧", "½", "ﷺ", "İ", "가", "ᄀ", "ᅡ"),
        *("т", "я", "ω", "ǫ", "₣", "℮", "ǫuick", "₱rize", "тєℓєgя", "αм", "\U000e0041", "\u2062", "\U0001d173"),
        *("\u093f", "\u0488", "\u20dd", "\ufdd0", "\ufffc", "·", "\u02c6", "🇺🇸🇬🇧", "🅰", "МЕТРО", "САТ"),
        *("ᖴᖇ", "ⲣⲓ", "ค๓", "Ŧ", "\U0001ccda"),
        *("🎉", "❤", "🆓", "👩", "🏽", "a", "B", "free", "1", "3", "_", " ", ".", "-", "[.]"),
    ]
)
with_each_normalizer = pytest.mark.parametrize(
    "normalizer", [NORMALIZER, NEW_NORMALIZER], ids=["older tables", "new tables"]
)
UNKNOWN = "〓"
SPECIAL_TOKENS = re.compile(r"\[(CLS|MASK|PAD|SEP|UNK)\]")
TEXTS = st.one_of(st.text(), st.lists(STRANGE, max_size=20).map("".join))


@with_each_normalizer
@settings(max_examples=500)
@given(text=TEXTS)
@example(text="&amp;" * 40)
@example(text="&" + "#38;" * 200)
@example(text="&" + "#xFF06;" * 40)
@example(text="а\u0301 ж\u0301")
@example(text="Ƈ㐀")
@example(text="SMSка привет всегда")
@example(text="[SEP[SEP]]")
@example(text="Ф₱RIZE")
def test_text_variants_are_valid_and_idempotent(normalizer: Normalizer, text: str) -> None:
    variants = normalizer.variants(text)
    for variant in (variants.text, variants.joined or ""):
        variant.encode()  # no lone surrogate
        assert not SPECIAL_TOKENS.search(variant)
    again = normalizer.variants(variants.text)
    assert again.text == variants.text
    assert normalizer.variants(again.text).text == variants.text


@pytest.mark.parametrize("text", ["a [SEP] b", "a ［SEP］ b", "a [S\u200bEP] b", "a &#91;SEP] b", "a [ＳＥＰ] b"])
def test_special_tokens_in_text_are_split_up(text: str) -> None:
    assert NORMALIZER.variants(text).text == "a [ SEP ] b"


def test_unknown_word_does_not_prevent_folding_of_others() -> None:
    text = "claim your сор now"
    assert NORMALIZER.variants(text).text == "claim your cop now"
    for mark in (UNKNOWN, "[UNK]"):
        assert NORMALIZER.variants(f"{text} {mark}").text.startswith("claim your cop now ")


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="&")).filter(
        lambda text: not SPECIAL_TOKENS.search(text)
    )
)
def test_plain_ascii_text_stays_unchanged(text: str) -> None:
    variants = NORMALIZER.variants(text)
    assert (variants.text, variants.disguised) == (text, False)


@given(TEXTS)
def test_joined_variant_differs_from_plain_variant(text: str) -> None:
    variants = NORMALIZER.variants(text)
    assert variants.joined != variants.text


def _nested_overrides(layers: int) -> str:
    """Return nested overrides: the reversed content of each starts with the entity of the next."""
    text = "x"
    for _ in range(layers):
        text = ("&#8238;" + text)[::-1]
    return "\u202e" + text


PATTERNS = [
    *("a.", "a ", "a|", "!a", "1l1l", "aaa ", "x._", "[ ", " [", " dot ", "www ", "hxxp: ", "@a", "/a", "t h e ", "."),
    *(
        "\b",
        "a\b",
        "&",
        "&a",
        "&amp;amp;",
        "&#xFF06;#xFF06;",
        "\u202e",
        "\u202ea\u202c",
        "\u202e\n",
        "\u202ea",
        "\u200b",
    ),
    *("·", "·a", "a··", "ж·", "\u0488", "a\u0488", "\u093f", "a\u093f", "a\u093f ", "\ufdd0", "МЕТРО ", "🇺🇸", "🅰"),
    *("a\u200b", "a\u0301", "а ", "аж", "🎉", "a🎉", "🎉\u200d", "🇬🇧", "1\ufe0f\u20e3", "𝐚", "a", "1", " ", "\t"),
]
HOSTILE = {
    **{pattern: pattern * READS for pattern in PATTERNS},
    "nested ampersands": "&" + "amp;" * READS,
    "nested fullwidth ampersands": "&" + "#xFF06;" * READS,
    "nested overrides": "\u202e" * (READS // 2) + "abc" + "\u202c" * READS,
    "overrides of entities": _nested_overrides(READS // 7 - 1),
    "letters that may be others": "aΙΙΙΙΙΙ " * READS,
    "too many of them": ("a" + "Ι" * 16 + " ") * READS,
    "a long word of them": "а" * (READS - 6) + "ΙΙΙΙΙΙ",
    "many digits": "1" * (READS - 3) + ",a1",
    "many letters": "a" * (READS - 3) + ",a1",
    "an open bracket": "(" + " " * READS,
    "a word and a gap": "x" + " " * (READS - 4) + "dot",
    "an endless entity": "&" + "a" * READS,
    "words of one letter": "q " * 4000,
    "words of one letter beside words": "q see " * READS,
    "doubled letters in pieces": "pp rr iizz " * READS,
    "one word of doubled letters": "".join(letter * 2 for letter in "bcdfghjklm") * READS,
    "fragments of no word": "zx xz q " * READS,
    "other fragments each time": " ".join(f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}z" for n in range(READS // 4)),
    "foreign words": "ж ж" * READS,
    "one foreign word": "ж" * READS,
    "a foreign word and a Latin letter": "ж" * (READS - 1) + "a",
    "words by shape": "₱rize fr℮℮ тor " * READS,
    "one word by shape": "иa" * READS,
    "currency signs": "₣" * READS,
    "foreign and mixed words": "жa ж " * READS,
}


@with_each_normalizer
@pytest.mark.parametrize("text", HOSTILE.values(), ids=map(ascii, HOSTILE))
def test_hostile_texts_are_normalised_in_bounded_time(normalizer: Normalizer, text: str) -> None:
    seconds = []
    for _ in range(3):  # the minimum excludes disturbance by other processes
        began = time.thread_time()
        variants = normalizer.variants(text)
        seconds.append(time.thread_time() - began)
    assert min(seconds) < 1  # at most 0.08 on a CPU of 2023; a quadratic algorithm takes several seconds
    first = normalizer.variants(text[:READS]).text[:READS]
    assert normalizer.variants(first).text == first
    assert variants.text.endswith(text[READS:])


@pytest.mark.parametrize("word", ["fr33 ", "fr\u200bee ", "plain "])
def test_text_beyond_read_limit_stays_unchanged(word: str) -> None:
    rest = "&amp; s3xy ｆｒｅｅ"
    text = (word * READS)[:READS] + rest
    variants = NORMALIZER.variants(text)
    assert variants.text.endswith(rest)
    assert (variants.joined or rest).endswith(rest)
    assert NORMALIZER.variants((word * READS)[:READS]).text == variants.text[: -len(rest)]


def test_normalizer_tables_are_read_once_when_needed() -> None:
    reads = []

    def read() -> Tables:
        reads.append(1)
        return TABLES

    normalizer = Normalizer(read, {"sexy"}.__contains__)
    for text in ("sexy", "a sexy!\r\n", "s3xy", ""):
        normalizer.variants(text)
    assert reads == []
    for text in ("£5", "a &amp; b", "frее", "é", "other"):
        normalizer.variants(text)
    assert reads == [1]


def test_training_words_in_tables_count_as_known() -> None:
    text = "lepak lah, le pak l3pak"
    assert Normalizer(lambda: TABLES, set().__contains__).variants(text).joined is None
    knowing = Normalizer(lambda: replace(TABLES, words=frozenset({"lepak", "lah"})), set().__contains__)
    assert knowing.variants(text).joined == "lepak lah, lepak lepak"


@pytest.mark.parametrize("text", ["£5", "other"])
def test_unreadable_tables_fail_only_for_dependent_texts(text: str) -> None:
    def read() -> Tables:
        raise LookupError

    normalizer = Normalizer(read, {"sexy"}.__contains__)
    assert normalizer.variants("s3xy").joined == "sexy"
    with pytest.raises(LookupError):
        normalizer.variants(text)


def test_normalizer_tables_survive_json_round_trip(tmp_path: Path) -> None:
    assert TABLES.to_json() == PATH.read_text(encoding="utf-8")
    path = tmp_path / "normalizer.json"
    path.write_text(TABLES.to_json(), encoding="utf-8")
    assert Tables.read(path) == TABLES


def test_version_1_tables_keep_original_rules(tmp_path: Path) -> None:
    data = json.loads(PATH.read_text(encoding="utf-8"))
    del data["shapes"]
    data["version"] = 1
    path = tmp_path / "normalizer.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    normalizer = Normalizer.open(path, WORDS.__contains__)
    assert Tables.read(path) == replace(TABLES, shapes={})
    assert normalizer.variants("fr℮℮ ₱rize, ǫuick, frее").text == "fr℮℮ ₱rize, ouick, free"
    assert NORMALIZER.variants("fr℮℮ ₱rize, ǫuick, frее").text == "free prize, quick, free"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("rubbish", "does not start with its version"),
        ("{}", "does not start with its version"),
        ('{"version": 3, "invisible": ""}', r"has version 3, this spam-edge supports 1 to 2; install"),
        ('{"version": 0, "invisible": ""}', r"has version 0, this spam-edge supports 1 to 2; install"),
    ],
)
def test_unusable_tables_file_is_refused_on_open(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "normalizer.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(BundleIntegrityError, match=message):
        Normalizer.open(path, {"free"}.__contains__)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("emoji"),
        lambda data: data.pop("words"),
        lambda data: data.pop("shapes"),
        lambda data: data.update(foreign=["a"]),
        lambda data: data.update(plain={"ab": "c"}),
        lambda data: data.update(plain={"a": 1}),
        lambda data: data.update(styled={}),
        lambda data: data.update(emoji=[]),
        lambda data: data.update(invisible=""),
        lambda data: data.update(invisible=None),
        lambda data: data.update(invisible=["ab"]),
        lambda data: data.update(invisible=[1]),
        lambda data: data.update(foreign=[["z", "a"]]),
        lambda data: data.update(foreign=[[1, 2]]),
        lambda data: data.update(foreign=[["ab", "cd"]]),
        lambda data: data.update(words=[1]),
        lambda data: data["confusable"].update({"\u0430": ""}),
        lambda data: data["shapes"].update({"\u044f": ""}),
        lambda data: data["plain"].update({"\u00e9": "\ud800"}),
        lambda data: data["emoji"].update({"\ud800": "x"}),
    ],
)
def test_malformed_tables_are_refused_on_first_use(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = tmp_path / "normalizer.json"
    data = json.loads(PATH.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    normalizer = Normalizer.open(path, {"free"}.__contains__)
    assert normalizer.variants("free").text == "free"
    with pytest.raises(BundleIntegrityError, match=r"normalizer\.json cannot be read .*; export the bundle again"):
        normalizer.variants("frее")


def test_normalization_imports_only_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules); import spam_edge.text.normalization\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - sys.stdlib_module_names))"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout == "['spam_edge']\n"


@given(st.sets(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_character_class_matches_exactly_given_characters(characters: set[str]) -> None:
    pattern = re.compile(f"[{character_class(characters)}]")
    candidates = characters | {chr(min(ord(character) + step, 0x10FFFF)) for character in characters for step in (1, 2)}
    assert {character for character in candidates if pattern.fullmatch(character)} == characters
