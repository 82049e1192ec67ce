"""The ham controls: number, kind and near duplicates of the messages."""

import re
import unicodedata

import pytest

from spam_edge.training.attacks import CONTROLS, LEVELS, disguised_ham, ham_controls
from spam_edge.training.attacks.characters import INVISIBLE
from spam_edge.training.data.near_duplicates import cluster
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import load_corpus

SCRIPTS = ("CYRILLIC", "GREEK", "CJK", "HIRAGANA", "HANGUL", "ARABIC", "DEVANAGARI")
PARTICLES = r"lah|leh|lor|liao|siah?|meh|hor|ah|anot|or not|wah|ai(yo|yah?)|paiseh|alamak|haiz|can|chey|one|what"
KINDS = {
    "N1": r"[\u2600-\u27bf\U0001f1e6-\U0001faff]",
    "N2": r"[\u00c0-\u024f\u1e00-\u1eff]",
    "N3": r"[\u00a7\u00ab\u00b0\u00b1\u00b7\u00bd\u2010-\u203a\u2190-\u2193]",
    "N4": r"^[\x20-\x7e]+$",
    "N5": r"^[^A-Za-z]+$",
    "N6": r"\d",
}


@pytest.mark.parametrize("control", KINDS)
def test_control_has_60_distinct_messages_of_its_kind(control: str) -> None:
    texts = ham_controls()[control]
    assert len(set(texts)) == len(texts) == 60
    assert [text for text in texts if not re.search(KINDS[control], text)] == []
    assert all(text == text.strip() for text in texts)


def test_n5_contains_messages_in_every_script() -> None:
    scripts = [{unicodedata.name(letter).split()[0] for letter in text} for text in ham_controls()["N5"]]
    assert [script for script in SCRIPTS if sum(script in message_scripts for message_scripts in scripts) < 6] == []


def test_most_n4_messages_contain_singlish_particle() -> None:
    assert sum(bool(re.search(rf"\b({PARTICLES})\b", text.lower())) for text in ham_controls()["N4"]) >= 50


def test_controls_are_no_near_duplicates_of_each_other_or_corpus() -> None:
    controls = [text for texts in ham_controls().values() for text in texts]
    corpus = sorted({message.text for message in load_corpus(["packaged"], CorpusOptions()).messages})
    clusters = cluster(controls + corpus)
    assert len(set(clusters[: len(controls)])) == len(controls)
    assert not set(clusters[: len(controls)]) & set(clusters[len(controls) :])


def test_every_control_has_either_messages_or_attacks() -> None:
    assert set(CONTROLS) == {"N1", "N2", "N3", "N4", "N5", "N6", "N7"}
    assert {name for name, control in CONTROLS.items() if not control.attacks} == set(ham_controls())


@pytest.mark.parametrize("level", LEVELS)
def test_n7_applies_four_attacks_to_ham(level: str) -> None:
    text = "See you tomorrow at the station, don't be late"
    variants = disguised_ham(text, level=level, row_id="1")
    assert list(variants) == ["E2", "E4", "E9", "E12"]
    assert len({text, *variants.values()}) == 5
    assert re.sub(f"[{re.escape(''.join(INVISIBLE))}]", "", variants["E2"]) == text
    assert re.sub("[\u0300-\u036f]", "", variants["E4"]) == text
    assert variants["E9"].lower() == text.lower()
    assert variants == disguised_ham(text, level=level, row_id="1")
