"""Properties of all attacks: number and selection of changed words, determinism, and input validation."""

import hashlib
import json
import math
import os
import random
import subprocess
import sys
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.errors import InputError
from spam_edge.training.attacks import ATTACKS, LEVELS, TARGETS, Keywords, disguise, homoglyphs
from spam_edge.training.attacks.attack import Draw, on_words
from spam_edge.training.attacks.spans import urls, words

SPAM = [
    "WINNER!! Claim your free prize at www.claim-it.co.uk now, phone 09061701461",
    "Urgent: your free ringtone awaits, txt WIN to 80086 or visit http://bit.ly/abc123",
]
HAM = ["see you at the station", "I am on my way home now", "what time is the film, and where?"]
KEYWORDS = Keywords.fit(SPAM + HAM, [True, True, False, False, False])
ON_WORDS = sorted(ATTACKS.keys() - {"E10", "E14"})
TEN_WORDS = "one two three four five six seven eight nine ten"

pieces = st.sampled_from(
    [*" ".join(SPAM).split(), "don't", "&lt;#&gt;", "Привет", "ﬁne", "İĞ", "ß", "a@b.com", "x.com/", "K"]
)
messages = st.lists(pieces | st.text(max_size=12), max_size=12).map(" ".join) | st.text(max_size=80)
levels, targets = st.sampled_from(list(LEVELS)), st.sampled_from(TARGETS)


def _disguised(text: str, attack: str, level: str = "heavy", target: str = "keywords", row_id: str = "1") -> str:
    return disguise(text, attack=attack, level=level, target=target, row_id=row_id, keywords=KEYWORDS, ham=HAM)


@pytest.mark.parametrize("attack", ATTACKS)
@given(text=messages, level=levels, target=targets, row_id=st.text(max_size=8))
def test_attack_is_deterministic_and_gives_valid_utf8(
    attack: str, text: str, level: str, target: str, row_id: str
) -> None:
    first = _disguised(text, attack, level, target, row_id)
    assert first.encode("utf-8").decode("utf-8") == first
    assert _disguised(text, attack, level, target, row_id) == first


_PRINT_ALL_ATTACKS = """
import hashlib, json, sys
from spam_edge.training.attacks import *
spam, ham = json.loads(sys.argv[1])
options = dict(keywords=Keywords.fit(spam + ham, [True] * len(spam) + [False] * len(ham)), ham=ham)
options["characters"] = {c for some in homoglyphs().values() for c in some[1:]}
for message in spam:
    for attack in ATTACKS:
        for level in LEVELS:
            for target in TARGETS:
                print(ascii(disguise(message, attack=attack, level=level, target=target, row_id="7", **options)))
"""


def test_attacks_are_independent_of_hash_seed() -> None:
    """A different hash seed changes the iteration order of sets."""
    outputs = [
        subprocess.run(
            [sys.executable, "-c", _PRINT_ALL_ATTACKS, json.dumps([SPAM, HAM])],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(outputs[0].splitlines()) == 2 * 15 * 3 * 2
    assert outputs[0] == outputs[1]


def test_randomness_depends_on_row_attack_level_and_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mocked: the transform of each attack returns a random number only."""
    for name, attack in ATTACKS.items():
        random_number = replace(attack, transform=lambda _, draw: str(draw.rng.random()))
        monkeypatch.setitem(ATTACKS, name, random_number)
    drawn = [_disguised("", *options) for options in product(ATTACKS, LEVELS, TARGETS, ("1", "2"))]
    assert len(set(drawn)) == len(drawn) == len(ATTACKS) * 3 * 2 * 2


def test_rows_are_disguised_differently() -> None:
    assert len({_disguised(" ".join(SPAM), "E1", row_id=str(row)) for row in range(20)}) == 20


def _changed_words(text: str, level: str, target: str, seed: int = 0) -> set[str]:
    """Return the words changed by an attack that upper-cases each selected word."""
    keywords = Keywords({word: float(len(word)) for word in text.split()})
    draw = Draw(random.Random(seed), LEVELS[level], target, keywords)
    return {word for word in on_words(lambda word, _: word.upper())(text, draw).split() if word.isupper()}


@pytest.mark.parametrize("target", TARGETS)
def test_level_determines_share_of_changed_words(target: str) -> None:
    heavy = {len(_changed_words(TEN_WORDS, "heavy", target, seed)) for seed in range(200)}
    assert {len(_changed_words(TEN_WORDS, "light", target, seed)) for seed in range(20)} == {1}
    assert {len(_changed_words(TEN_WORDS, "medium", target, seed)) for seed in range(20)} == {3}
    assert heavy == {6, 7, 8, 9, 10}


@given(st.lists(st.text(alphabet="abcdefg", min_size=1, max_size=8), min_size=1, max_size=30, unique=True))
def test_higher_level_includes_keywords_of_lower_level(distinct_words: list[str]) -> None:
    light, medium, heavy = (_changed_words(" ".join(distinct_words), level, "keywords") for level in LEVELS)
    assert light
    assert light <= medium <= heavy


def test_keyword_target_ranks_words_and_random_target_reaches_all() -> None:
    assert _changed_words(TEN_WORDS, "medium", "keywords") == {"THREE", "SEVEN", "EIGHT"}
    assert set().union(*(_changed_words(TEN_WORDS, "light", "random", seed) for seed in range(200))) == set(
        TEN_WORDS.upper().split()
    )


# E9 is excluded because it may draw the case that a letter already has.
@pytest.mark.parametrize("attack", [attack for attack in ON_WORDS if attack != "E9"])
@pytest.mark.parametrize("target", TARGETS)
def test_attack_changes_at_least_one_word_if_present(attack: str, target: str) -> None:
    for row in range(20):
        assert _disguised("12 phone!", attack, "light", target, str(row)) != "12 phone!"
        assert _disguised("12, +44!", attack, "light", target, str(row)) == "12, +44!"


def test_unchangeable_keyword_is_replaced_by_next_word() -> None:
    keywords = Keywords({"mmm": 9.0, "zzz": 8.0})
    text = "mmm zzz you and lamp"
    result = disguise(text, attack="E15", level="light", target="keywords", row_id="1", keywords=keywords)
    assert result.split()[2:3] == ["u"]
    assert result.split()[:2] == ["mmm", "zzz"]


@pytest.mark.parametrize("attack", ON_WORDS)
def test_links_numbers_and_addresses_are_left_unchanged(attack: str) -> None:
    protected = [
        "09061701461",
        "www.claim-it.co.uk/x?free=1",
        "prize@free-cash.com",
        "&lt;#&gt;",
        "£1000",
        "bit.ly/wiN4u",
    ]
    for row in range(20):
        disguised = _disguised(f"free {' prize '.join(protected)} cash", attack, row_id=str(row))
        assert [piece for piece in protected if piece not in disguised] == []


def test_words_and_urls_are_extracted_from_message() -> None:
    text = "Don't txt2win 80086, see WWW.x-y.co.uk/a?b=1. Or http://wap, tones4u.net (free) a@b.com &amp; it's.ok 3.50"
    assert [word.text for word in words(text)] == ["Don't", "txt2win", "see", "Or", "free", "it's", "ok"]
    assert [(url.scheme, url.host, url.rest) for url in urls(text)] == [
        ("", "WWW.x-y.co.uk", "/a?b=1"),
        ("http://", "wap", ""),
        ("", "tones4u.net", ""),
    ]


@given(messages)
def test_span_offsets_match_span_text(text: str) -> None:
    for span in [*words(text), *urls(text)]:
        assert text[span.start : span.end] == span.text
    assert all(url.text == url.scheme + url.host + url.rest for url in urls(text))


def test_keyword_scores_are_add_one_smoothed_log_odds() -> None:
    keywords = Keywords.fit(["Free free cash", "FREE now", "now then"], [True, True, False])
    assert keywords.log_odds == {
        "free": math.log(3 / 1),
        "cash": math.log(2 / 1),
        "now": math.log(2 / 2),
        "then": math.log(1 / 2),
    }
    assert keywords("Cash") == math.log(2)
    assert keywords("unseen") == 0


def test_seed_is_sha256_of_row_attack_level_and_target() -> None:
    """The seed is a documented format, so that other implementations reproduce the evaluation."""
    digest = hashlib.sha256(b'["1", "E14", "medium", "random"]').digest()
    rng = random.Random(int.from_bytes(digest, "big"))
    level = LEVELS["medium"]
    expected = ATTACKS["E14"].transform("hello", Draw(rng, level, "random", KEYWORDS, HAM))
    assert _disguised("hello", "E14", "medium", "random") == expected


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        ({"attack": "E16"}, "unknown attack 'E16'; choose one of E1, E2,"),
        ({"level": "hard"}, "unknown level 'hard'; choose one of light, medium, heavy"),
        ({"target": "all"}, "unknown target 'all'; choose one of keywords, random"),
        ({"keywords": None}, "the target 'keywords' requires keywords; pass Keywords.fit"),
    ],
)
def test_invalid_attack_options_are_refused(invalid: dict[str, str | None], message: str) -> None:
    options = {"attack": "E1", "level": "light", "target": "keywords", "row_id": "1", "keywords": KEYWORDS} | invalid
    with pytest.raises(InputError) as caught:
        disguise("free prize", **options)  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)


def test_unequal_numbers_of_texts_and_labels_are_refused() -> None:
    with pytest.raises(InputError, match="1 texts but 2 labels"):
        Keywords.fit(["one"], [True, False])


def test_random_target_requires_no_keywords() -> None:
    assert disguise("free prize", attack="E4", level="light", target="random", row_id="1") != "free prize"


def test_homoglyphs_are_limited_to_given_characters() -> None:
    known = homoglyphs()
    held_out = {known["e"][-1], known["R"][0]}
    options = {"attack": "E1", "level": "heavy", "target": "random", "row_id": "1"}
    assert set(disguise("fReest", **options, characters=held_out)) == {"f", "s", "t"} | held_out
    assert disguise("fReest", **options, characters=()) == "fReest"
