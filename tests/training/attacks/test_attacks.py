"""Each attack matches its definition and produces all of its forms."""

import re
import string
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.training.attacks import disguise, homoglyphs
from spam_edge.training.attacks.characters import FORMS, INVISIBLE
from spam_edge.training.attacks.tables import EMOJI, FILLERS, HOMOPHONES, LEET, NEIGHBOURS, ORNAMENTS

SEEDS = [str(row) for row in range(400)]
INVISIBLES = set("".join(INVISIBLE))
letters = st.text(alphabet=string.ascii_letters + string.digits + " .,!£éßñЖ", max_size=60)


def _disguised(text: str, attack: str, row_id: str = "1", level: str = "heavy", **options: list[str]) -> str:
    return disguise(text, attack=attack, level=level, target="random", row_id=row_id, **options)  # type: ignore[arg-type]


def _results(text: str, attack: str, **options: list[str]) -> set[str]:
    """Return the results of an attack over many seeds."""
    return {_disguised(text, attack, row_id, **options) for row_id in SEEDS}


def test_e1_replaces_letters_with_their_homoglyphs() -> None:
    scripts = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "LATIN")
    members = {member for similar in homoglyphs().values() for member in similar}
    assert {unicodedata.name(member).split()[0] for member in members} == set(scripts)
    assert not any(member.isascii() for member in members)
    known = homoglyphs()
    assert {"\u0430", "\u03b1"} <= set(known["a"])  # Cyrillic and Greek
    assert "\u0406" in known["I"]
    for disguised in _results("FREE ticket", "E1"):
        for letter, member in zip("FREE ticket", disguised, strict=True):
            assert member == letter or member in known[letter] + known[letter.swapcase()]
    assert not [letter for letter in string.ascii_letters if letter in _results(letter, "E1")]


def test_e2_inserts_one_invisible_character_between_letters() -> None:
    inserted = {character for text in _results("prize", "E2") for character in text[1::2]}
    assert inserted >= {characters for characters in INVISIBLE if len(characters) == 1}
    assert {"\u2062", "\U000e0041"} < INVISIBLES
    assert {text[::2] for text in _results("prize", "E2")} == {"prize"}


@given(letters)
def test_e2_text_without_invisible_characters_is_original(text: str) -> None:
    assert "".join(character for character in _disguised(text, "E2") if character not in INVISIBLES) == text


def test_e3_styled_forms_correspond_to_their_letters() -> None:
    for style, form in FORMS.items():
        assert len(form) >= 50
        for letter, character in form.items():
            name = unicodedata.name(character)
            assert unicodedata.normalize("NFKC", character) == letter or name.split()[-1] == letter.upper(), style
    assert _results("Win", "E3") == {"".join(form[letter] for letter in "Win") for form in FORMS.values()}


@given(letters)
def test_e4_text_without_combining_marks_is_original(text: str) -> None:
    bare = "".join(character for character in _disguised(text, "E4") if not "\u0300" <= character <= "\u036f")
    assert bare == text


def test_e4_adds_one_to_three_marks_per_letter() -> None:
    counts = {len(marks) for text in _results("win", "E4") for marks in re.split("[win]", text)[1:]}
    assert counts == {1, 2, 3}


def _rendered(text: str) -> str:
    """Render a text: reverse overridden runs and apply backspaces."""
    text = re.sub("\u202e(.*?)\u202c", lambda match: match[1][::-1], text)
    return re.sub(".\b", "", text)


@given(letters, st.sampled_from(SEEDS))
def test_e5_rendered_text_is_original(text: str, row_id: str) -> None:
    assert _rendered(_disguised(text, "E5", row_id)) == text


def test_e5_uses_direction_overrides_and_backspaces() -> None:
    results = _results("prize", "E5")
    assert "\u202eezirp\u202c" in results
    assert {text.count("\b") for text in results} == {0, 1, 2, 3}


def test_e6_replaces_letters_with_digits_and_symbols() -> None:
    assert _results("fab", "E6") == {"f48", "f@8"}
    assert _results("GIS", "E6") == {a + b + c for a in "9" for b in "1!" for c in "5$"}
    assert set("".join(LEET.values())) == set("431!05$7+89@")


def test_e7_separates_all_letters() -> None:
    assert _results("FREE", "E7") == {"F R E E", "F_R_E_E", "F.R.E.E", "F-R-E-E"}


def test_e8_splits_word_once_near_middle() -> None:
    assert _results("claim", "E8") == {f"{a}{mark}{b}" for a, b in (("cl", "aim"), ("cla", "im")) for mark in ".-* "}
    assert _results("win", "E8") == {f"{a}{mark}{b}" for a, b in (("w", "in"), ("wi", "n")) for mark in ".-* "}


@given(letters, st.sampled_from(SEEDS))
def test_e9_changes_only_letter_case(text: str, row_id: str) -> None:
    assert _disguised(text, "E9", row_id).lower() == text.lower()


def test_e9_draws_upper_and_lower_case_equally() -> None:
    assert _results("Win", "E9") == {"Win", "WIN", "win", "wIn", "WIn", "wiN", "WiN", "wIN"}
    upper = sum(letter.isupper() for text in (_disguised("q" * 50, "E9", row) for row in SEEDS) for letter in text)
    assert 0.48 < upper / (50 * len(SEEDS)) < 0.52


@pytest.mark.parametrize("url", ["www.claim.co.uk", "http://claim.co.uk/a?b=1", "https://claim.com", "claim.com/go"])
def test_e10_produces_every_url_disguise(url: str) -> None:
    bare = url.partition("://")[2] or url
    scheme = url[: -len(bare)]
    host, slash, rest = bare.partition("/")
    path = slash + rest
    forms = {
        "hxxp": rf"hxxps?://{re.escape(bare)}",
        "[.]": re.escape(scheme + host.replace(".", "[.]") + path),
        "(dot)": re.escape(scheme + host.replace(".", "(dot)") + path),
        "dot": re.escape(scheme + host.replace(".", " dot ") + path),
        "spaces": re.escape(scheme + host.replace(".", " . ") + path),
        "shortener": rf"{scheme}bit\.ly/\w{{7}}",
        "address": rf"http://(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+{re.escape(path)}",
        "punycode": rf"{scheme}(www\.)?xn--[a-z0-9-]+(\.\w+)+{re.escape(path)}",
        "at": rf"https?://www\.[a-z.]+@{re.escape(bare)}",
    } | ({"no scheme": re.escape(bare)} if scheme else {})
    results = _results(f"free! {url}, now", "E10")
    matched = {
        name: [text for text in results if re.fullmatch(f"free! {form}, now", text)] for name, form in forms.items()
    }
    assert all(matched.values()), matched
    assert set().union(*matched.values()) == results


def test_e10_punycode_decodes_to_lookalike_host() -> None:
    labels = {
        label for text in _results("ok www.xyz.de", "E10") for label in re.findall(r"www\.xn--([\w-]+)\.de", text)
    }
    assert {label.encode().decode("punycode") for label in labels} == {"\u0445yz", "x\u0443z"}


@pytest.mark.parametrize("text", ["no address here", "3.50 today.see you", "mail me@there.com", "", "and/or"])
def test_e10_leaves_text_without_url_unchanged(text: str) -> None:
    assert _results(text, "E10") == {text}


def test_e11_inserts_emoji_and_replaces_words() -> None:
    results = _results("free", "E11")
    assert results == {
        "🆓",
        "🇫🇷🇪🇪",
        *(ornament.join("free") for ornament in ORNAMENTS),
        *(f"free {ornament}" for ornament in ORNAMENTS),
    }
    assert {"💰", "💵"} < _results("CASH", "E11")
    assert not set(EMOJI) & set(" ".join(_results("lamp", "E11")).split())


def _edits(word: str) -> Iterator[str]:
    """Yield all words at one Damerau edit after the first letter."""
    for at in range(1, len(word)):
        yield word[:at] + word[at + 1 :]
        yield word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
        yield from (word[:at] + letter + word[at:] for letter in string.ascii_lowercase)
        yield from (word[:at] + letter + word[at + 1 :] for letter in NEIGHBOURS[word[at]])


def test_e12_makes_single_edits_vowel_drops_and_phonetic_spellings() -> None:
    results = _results("phonic", "E12")
    multiple_edits = {"phnc", "fonic"}
    assert multiple_edits < results
    assert results - multiple_edits <= set(_edits("phonic")) - {"phonic"}
    assert {"pjonic", "phoic", "phoinc"} < results
    assert any(len(text) == 7 for text in results)
    assert "luky" in _results("lucky", "E12")
    assert "phree" in _results("free", "E12")
    assert "FOX" not in _results("FOX", "E12")
    assert all(text.isupper() for text in _results("FOX", "E12"))


def test_e13_repeats_letters_up_to_five_times() -> None:
    results = _results("claim", "E13")
    assert {"claimmmmm", "clllaim", "c l aaim", "c llaim", "c l a iim"} < results
    assert {re.sub(r"(.)\1+", r"\1", text.replace(" ", "")) for text in results} == {"claim"}
    assert {max(len(run[0]) for run in re.finditer(r"(.)\1*", text)) for text in results} == {2, 3, 4, 5}


@pytest.mark.parametrize(("level", "count"), [("light", 1), ("medium", 2), ("heavy", 3)])
def test_e14_adds_ham_or_fillers_before_or_after_text(level: str, count: int) -> None:
    ham = ["see you soon", "what is up", "not now dear", "ok then"]
    results = {_disguised("free prize", "E14", row_id, level, ham=ham) for row_id in SEEDS}
    assert {text.startswith("free prize ") or text.endswith(" free prize") for text in results} == {True}
    added = {text.replace("free prize", "").strip() for text in results}
    pieces = "|".join(map(re.escape, [*ham, *FILLERS]))
    assert {len(re.findall(pieces, text)) for text in added} == {count}
    assert {re.sub(pieces, "", text).strip() for text in added} == {""}
    assert {piece for text in results for piece in re.findall(pieces, text)} == {*ham, *FILLERS}
    assert {text.startswith("free") for text in results} == {True, False}


def test_e14_without_ham_adds_only_fillers() -> None:
    assert all(set(text.split()) <= {"free", *FILLERS} for text in _results("free", "E14"))


def test_e15_replaces_words_with_phonetic_spellings() -> None:
    for word, form in (("you", "u"), ("for", "4"), ("claim", "klaim"), ("prize", "prise")):
        assert form in HOMOPHONES[word]
        assert _results(word, "E15") == set(HOMOPHONES[word])
    assert _results("CALL", "E15") == {"KALL", "KOL"}
    assert _results("Claim", "E15") == {"Klaim", "Claym"}
    assert _results("lamp", "E15") == {"lamp"}
