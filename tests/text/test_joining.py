"""Joining changes only split or respelt words of the vocabulary."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spam_edge.text.normalization import joining
from spam_edge.text.normalization.joining import Joiner
from tests.support.normalizers import JOINER, NORMALIZER, WORDS


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        # digits and signs for letters
        ("s3xy c4sh", "sexy cash"),
        ("FR33 pr1z3!!", "free prize!!"),
        ("p@ym3nt", "payment"),
        ("ca1l, ca|l", "call, call"),
        ("i11egal", "illegal"),
        ("ca$h CASH,s3xy", "cash CASH,sexy"),
        ("ba!1 ca|1", "bail call"),
        ("pr!ze", "prize"),
        ("+ex+ con+ent", "text content"),
        ("7oday 8ank 1o9in", "today bank login"),
        # spaced letters
        ("F R E E", "FREE"),
        ("c.l.a.i.m", "claim"),
        ("m-o-n-e-y", "money"),
        ("c*a*s*h", "cash"),
        ("f_r_e_e", "free"),
        ("f-r-e-e-p-r-i-z-e", "free prize"),
        ("a l l", "all"),
        ("t.h.e", "the"),
        ("f r e e p r i z e now", "free prize now"),
        # single letters with signs or marks beyond ASCII between them
        ("c·a·s·h c·a·s·h·!", "cash cash!"),
        ("\u02c6m\u02c6o\u02c6n\u02c6e\u02c6y", "money"),
        ("F\u20ddR\u20ddE\u20ddE\u20dd", "FREE"),
        ("c\u093fl\u093fa\u093fi\u093fm", "claim"),
        ("f\u0378r\u0379→e\u0640e", "free"),
        # split words
        ("fr.ee", "free"),
        ("cl-aim", "claim"),
        ("pri*ze", "prize"),
        ("mon_ey", "money"),
        ("pay~ment pa^yment", "payment payment"),
        ("pay|ment", "payment"),
        # addresses
        ("hxxp://win.example", "http://win.example"),
        ("h**ps : //win.example", "https://win.example"),
        ("win[.]example", "win.example"),
        ("win (dot) example", "win.example"),
        ("win dot com", "win.com"),
        # repeated letters
        ("freee", "free"),
        ("tooooo", "too"),
        ("looovvve", "love"),
        ("whatssssuppppp", "whatsup"),  # long enough without being a known word
        ("claaim serrvice", "claim service"),
        ("WELCOMEE FREEE", "WELCOMEE FREE"),
        # fragments
        ("f r e ee", "free"),
        ("tex tt me", "text me"),
        ("con ttent, fr e e!", "content, free!"),
        ("Congratul ations", "Congratulations"),
        ("R eeply", "Reply"),
        ("get fr ee pri ze now", "get free prize now"),
        ("s er vi ce", "service"),
        ("fr ee pr1ze", "free prize"),
        # three-letter words split by unusual separators
        ("wo*n w^on w|on w~o~n w_o_n", "won won won won won"),
        # combinations
        ("fr.33", "fr.33"),
        ("f r e e pr1ze", "free prize"),
        ("a line\nwith s3xy\tc4sh", "a line\nwith sexy\tcash"),
    ],
)
def test_disguised_words_of_vocabulary_are_restored(text: str, joined: str) -> None:
    assert JOINER.join(text) == joined


@pytest.mark.parametrize("text", ["fr🎉ee", "f🎉r🎂e🎉e", "fr\u2764\ufe0fee", "fr🎉🎉ee"])
def test_emoji_inside_word_are_removed(text: str) -> None:
    assert NORMALIZER.variants(text).joined == "free"


@pytest.mark.parametrize(
    "text",
    [
        "call 09061701461 or 0871-872-9755",
        "£1.50/msg, 150p, 16+, $100, 50%",
        "10am 100m 5pm 2nd 1st 3G 40GB K52",
        "gr8 l8r b4 2day m8 u2",
        "e.g. i.e. p.m. U.S.A. a.k.a.",
        "a well-known half-price by-law co-op",
        "www.xxx.com http://fr.ee/c4sh fr.ee.com me@fr.ee.org fr.ee/now",
        "Hmmm zzzz aaargh",
        "I a m b",
        "x y z q",
        "now!call us:today.Then",
        "free! all! (call) [now]",
        "f.r f r e, t.h.q",
        "see you at 5 then. in a bit",
        "connect the dot to the next",
        "u see",
        "time r we",
        "place n time",
        "too all",
        "pay ment9 fr, ee fr\nee fr  ee",
        "wo.n wo-n",
        "cl·aim col·legi t·o·o",  # Catalan has a dot in words
        "fжrжeжe c→l→aim m—o—n—e—y c·a·s·h1",
        "fre zzz",
    ],
)  # fmt: skip
def test_text_without_disguised_words_stays_unchanged(text: str) -> None:
    assert JOINER.join(text) == text


def test_joining_with_empty_vocabulary_changes_nothing() -> None:
    assert Joiner(lambda word: False).join("s3xy F R E E cl-aim freee") == "s3xy F R E E cl-aim freee"


def test_spaced_letters_become_fewest_vocabulary_words() -> None:
    words = {"the", "goo", "good", "night", "goodnight", "dni", "ght"}
    assert Joiner(words.__contains__).join("g o o d n i g h t") == "goodnight"
    assert Joiner((words - {"goodnight"}).__contains__).join("g o o d n i g h t") == "good night"


PIECES = st.sampled_from(
    [*sorted(WORDS)[:8], *"aefrs3140!|@$._*~^- \t\n[](){}/", "dot", "com", "hxxp", "://", "é", "ж", "🎉"]
)


@settings(max_examples=400)
@given(st.one_of(st.lists(PIECES, max_size=24).map("".join), st.text(max_size=40)))
@example("f.r.e.e1")
@example("x!!!1 a|1")
def test_spaced_letters_precheck_does_not_change_result(text: str) -> None:
    fast = JOINER.join(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "_may_be_spaced", lambda shape: True)
        assert JOINER.join(text) == fast


FRAGMENTS = st.lists(
    st.sampled_from(["fr", "ee", "f", "r", "e", "pri", "ze", "now!", "a", "u", "see", "ttext", "ca1l", "x" * 70, ""]),
    max_size=12,
).map(" ".join)


@given(st.lists(FRAGMENTS, max_size=6), FRAGMENTS, st.sampled_from([1, 2, 5, 20_000]))
def test_bounded_word_cache_does_not_change_result(before: list[str], text: str, bound: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "_REMEMBERED", bound)
        joiner = Joiner(WORDS.__contains__)
        for earlier in [*before, text]:
            joiner.join(earlier)
            assert len(joiner._seen) <= bound
            assert all(len(word) <= 64 for word in joiner._seen)
        assert joiner.join(text) == Joiner(WORDS.__contains__).join(text)


@given(FRAGMENTS)
def test_joining_fragments_keeps_all_letters_in_order(text: str) -> None:
    """The letters are compared up to repetition; the only digit, in ``ca1l``, stands for an l."""
    joined = JOINER.join(text)

    def letters(view: str) -> str:
        return re.sub(r"(.)\1+", r"\1", view.replace(" ", "").replace("1", "l"))

    assert letters(joined) == letters(text)


@given(FRAGMENTS)
def test_search_limit_beside_fragments_does_not_change_result(text: str) -> None:
    fast = JOINER.join(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining, "_first_beside", lambda words, torn: 0)
        assert JOINER.join(text) == fast


@given(st.lists(PIECES, max_size=24).map("".join))
def test_refang_precheck_does_not_change_result(text: str) -> None:
    expected = joining._SCHEME.sub(r"http\1://", text)
    expected = joining._DEFANGED.sub(".", joining._SPELT_DOT.sub(".", expected))
    assert joining._refang(text) == expected


@given(st.text())
def test_text_shape_maps_each_character_and_keeps_spaces(text: str) -> None:
    shape = joining._shape(text)
    assert len(shape) == len(text)
    assert [match.start() for match in re.finditer(" ", text)] == [at for at, byte in enumerate(shape) if byte == 32]
