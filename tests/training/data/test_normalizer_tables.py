"""The normaliser tables: reproducibility, consistency and contents."""

# ruff: noqa: RUF001 - the tests use confusable characters

import hashlib
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from spam_edge.text.normalization.folding import Folder
from spam_edge.text.normalization.tables import Tables
from spam_edge.training.data.normalizer_tables import make_tables
from tests.data.make_tiny_bundle import made_up_messages

UNICODE = "14.0.0"
"""Unicode version of the committed tables, as in Python 3.11."""


@pytest.fixture(scope="module")
def tables() -> Tables:
    return make_tables()


@pytest.mark.slow
def test_tables_are_independent_of_hash_seed() -> None:
    code = (
        "import hashlib; from spam_edge.training.data.normalizer_tables import make_tables\n"
        "print(hashlib.sha256(make_tables(['ok бег'] * 5).to_json().encode()).hexdigest())"
    )
    expected = hashlib.sha256(make_tables(["ok бег"] * 5).to_json().encode()).hexdigest()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code]
        completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert completed.stdout.strip() == expected


@pytest.mark.skipif(
    unicodedata.unidata_version != UNICODE,
    reason=f"this Python knows Unicode {unicodedata.unidata_version}, the committed tables are of {UNICODE}",
)
def test_committed_tables_equal_generated_tables(tiny_bundle: Path) -> None:
    generated = make_tables(text for text, _ in made_up_messages(256, seed=0))
    assert (tiny_bundle / "normalizer.json").read_bytes() == generated.to_json().encode()


def test_no_character_is_in_two_tables(tables: Tables) -> None:
    kinds = [tables.invisible, tables.plain.keys(), tables.styled.keys(), tables.confusable.keys(), tables.emoji.keys()]
    assert sum(map(len, kinds)) == len(frozenset().union(*kinds))


def test_folding_targets_are_not_folded_again(tables: Tables) -> None:
    folds = tables.invisible | tables.plain.keys() | tables.styled.keys() | tables.confusable.keys()
    for table in (tables.plain, tables.styled, tables.confusable, tables.emoji):
        assert [target for target in table.values() if not folds.isdisjoint(target)] == []
    assert all(len(target) == 1 and target.isascii() and target.isalnum() for target in tables.styled.values())
    assert all(target.isascii() and target.isalpha() for target in tables.confusable.values())
    assert all(name == " ".join(name.split()) and name.isascii() and name.islower() for name in tables.emoji.values())


def test_shapes_map_to_letters_and_overlap_only_plain(tables: Tables) -> None:
    others = tables.invisible.union(tables.styled, tables.confusable, tables.emoji)
    assert tables.shapes.keys() & others == set()
    assert tables.shapes.keys() & tables.plain.keys() == {"ǫ", "Ŧ"}
    assert all(letters.isascii() and letters.isalpha() and letters.islower() for letters in tables.shapes.values())
    assert all(not character.isascii() and character not in "£€¥" for character in tables.shapes)


def test_printable_ascii_is_in_no_table(tables: Tables) -> None:
    everything = tables.invisible.union(tables.plain, tables.styled, tables.confusable, tables.emoji)
    ordinary = {chr(code) for code in range(32, 127)} | {"\t", "\n", "\r"}
    assert everything & ordinary == set()
    assert everything & set("£€’“…–éüжшβψ中あ가ไह") == set("…éü")


@pytest.mark.parametrize(
    ("kind", "character", "target"),
    [
        ("plain", "é", "e"), ("plain", "½", "1/2"), ("plain", "\x92", "\u2019"), ("plain", "\x98", " "),
        ("plain", "²", "2"), ("plain", "\u00a0", " "), ("plain", "\x8a", "S"),
        ("styled", "Ａ", "A"), ("styled", "𝐚", "a"), ("styled", "ⓐ", "a"), ("styled", "🅰", "a"), ("styled", "ᴀ", "a"),
        ("styled", "🇦", "a"), ("styled", "ᵃ", "a"),
        ("confusable", "а", "a"), ("confusable", "ё", "e"), ("confusable", "ї", "i"), ("confusable", "ι", "i"),
        ("confusable", "ό", "o"), ("confusable", "Ꮯ", "c"), ("confusable", "ӏ", "i"), ("confusable", "օ", "o"),
        ("plain", "Ð", "d"), ("plain", "ǫ", "o"), ("confusable", "Ɇ", "e"),
        ("shapes", "т", "t"), ("shapes", "н", "h"), ("shapes", "Я", "r"), ("shapes", "τ", "t"), ("shapes", "м", "m"),
        ("shapes", "ω", "w"), ("shapes", "ғ", "f"), ("shapes", "ǫ", "q"), ("shapes", "℮", "e"), ("shapes", "₣", "f"),
        ("emoji", "🎉", "party popper"), ("emoji", "🆓", "free"), ("emoji", "❤", "heavy black heart"),
    ],
)  # fmt: skip
def test_character_is_folded_to_expected_target(tables: Tables, kind: str, character: str, target: str) -> None:
    assert getattr(tables, kind)[character] == target


@pytest.mark.parametrize(
    "character", "\u00ad\u200b\u200d\u2060\ufeff\ufe0f\u3164\u2800\u202e\x00\x07\x08\x1b\x7f\U0001d173"
)
def test_zero_width_and_control_characters_are_invisible(tables: Tables, character: str) -> None:
    assert character in tables.invisible


def is_foreign(tables: Tables, character: str) -> bool:
    return any(first <= character <= last for first, last in tables.foreign)


def test_word_table_requires_five_messages_per_word() -> None:
    texts = ["Lepak lah! lepak u", "lepak at Sentosa2nite", "LEPAK", "no lepak today, lah", "lepak", "lah lah lah lah"]
    assert make_tables(texts).words == {"lepak"}
    assert make_tables(text for text in [*texts, "lah", "u", "Lah?"]).words == {"lepak", "lah"}


def test_tables_without_texts_treat_all_non_latin_scripts_as_foreign(tables: Tables) -> None:
    assert tables.words == frozenset()
    assert all(is_foreign(tables, character) for character in "жβ中あア가اאह\u093eไႠᎠ")
    assert not any(is_foreign(tables, character) for character in "aZé0 £€’🎉\u0301、。٣\u200d[")


def test_script_used_in_five_messages_is_not_foreign() -> None:
    russian = ["Привет", "как дела", "хорошо", "а у вас?", "всё ок"]
    four_messages, five_messages = make_tables(russian[:4]), make_tables(russian)
    assert is_foreign(four_messages, "ж")
    assert [is_foreign(five_messages, character) for character in "жёЯβ中"] == [False] * 3 + [True] * 2
    foreign = {character for character in map(chr, range(0x400, 0x10000)) if is_foreign(four_messages, character)}
    assert all("CYRILLIC" in unicodedata.name(c) for c in foreign if not is_foreign(five_messages, c))
    folded = [
        Folder(tables, {"see"}.__contains__).fold("Привет, жena 你好").text for tables in (four_messages, five_messages)
    ]
    assert folded == ["〓〓〓〓〓〓, жena 〓〓", "Привет, жena 〓〓"]
