"""The first view: each layer of a disguise comes off, also under others, and what is none stays."""

# ruff: noqa: RUF001 - confusable characters are what this is about

import re
from dataclasses import replace

import pytest

from spam_edge.normalization import Normalizer
from spam_edge.normalization.folding import Folder
from tests.unit.normalizers import FOLDER, NORMALIZER, SEASONED, TABLES, WORDS


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        # HTML entities
        ("tom &amp; jerry", "tom & jerry"),
        ("I &lt;3 u", "I <3 u"),
        ("caf&eacute;", "cafe"),
        ("&#102;ree &#x46;REE", "free FREE"),
        ("&amp;lt;#&amp;gt;", "<#>"),
        # bytes of Windows-1252
        ("don\x92t \x93pay\x94 \x80 100", "don’t “pay” € 100"),
        ("wait\x85", "wait..."),
        ("caf\x9a", "cafs"),
        # compatibility forms of ordinary text
        ("ﬁrst oﬃce", "first office"),
        ("½ price, 10 m²", "1/2 price, 10 m2"),
        ("call\u00a0me\u2009later", "call me later"),
        ("José, Zoë, jose\u0301", "Jose, Zoe, jose"),
        ("No№™", "NoNoTM"),
        # what joins and colours emoji
        ("ok 👍🏽", "ok 👍"),
        ("👩\u200d🚀 off", "👩🚀 off"),
        ("love\u2764\ufe0fyou", "love\u2764you"),
        ("dial 1\ufe0f\u20e32\ufe0f\u20e3", "dial 12"),
        ("in 🇸🇬 now", "in  sg  now"),
        ("🏴\U000e0067\U000e0062\U000e007f", "🏴"),
        # signs among the emoji
        ("Ⓜ station", "m station"),
        ("ask at ℹ\ufe0f", "ask at i"),
    ],
)
def test_what_ordinary_text_has_is_folded_and_no_disguise(text: str, folded: str) -> None:
    found = FOLDER.fold(text)
    assert (found.text.lower(), found.disguised) == (folded.lower(), False)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        # direction and deletion
        ("a \u202eeerf\u202c prize", "a free prize"),
        ("\u202eezirp", "prize"),
        ("\u202eeerf\nnow", "free\nnow"),
        ("frx\bee", "free"),
        ("\b\bfree", "free"),
        # forms that English has no use for
        ("ＦＲＥＥ", "FREE"),
        ("𝐅𝐑𝐄𝐄 𝓅𝓇𝒾𝓏ℯ 𝚠𝚘𝚗 𝕔𝕒𝕤𝕙", "FREE prize won cash"),
        ("Ⓕⓡⓔⓔ", "Free"),
        ("🅵🆁🅴🅴 🄵🅁🄴🄴", "free free"),
        ("🇫🇷🇪🇪", "free"),
        ("🇫\u200b🇷", "fr"),
        ("ꜰʀᴇᴇ", "free"),
        ("ᶠʳᵉᵉ", "free"),
        # invisible characters
        *((f"fr{invisible}ee", "free") for invisible in "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e\u2063\u115f"),
        *((f"fr{invisible}ee", "free") for invisible in "\u3164\u2800\ufe0f\u2066\U000e0041\x01\x7f"),
        # letters of other scripts
        ("frее рrizе", "free prize"),
        ("υοu wοn", "uou won"),
        ("ϲаѕһ now", "cash now"),
        ("ꓖet ꓟoney", "get money"),
        ("Ꮯall", "call"),
        ("օffeր", "offeր"),
        ("cаΙΙ aΙΙ, хΙz", "call all, xiz"),  # an iota may be an i or an l
        ("сосо поw", "coco пow"),
        # combining marks
        ("f\u0336r\u0336e\u0336e\u0336", "free"),
        ("fr\u0301\u0317\u0360ee", "free"),
    ],
)
def test_what_only_a_disguise_has_is_folded_and_said(text: str, folded: str) -> None:
    found = FOLDER.fold(text)
    assert (found.text.lower(), found.disguised) == (folded.lower(), True)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("&#xFF26;ree", "free"),  # an entity of a fullwidth letter
        ("fr&#8203;ee", "free"),  # of an invisible character
        ("fr&amp;#8203;ee", "free"),
        ("＆#65;gain", "again"),  # an entity that begins with a fullwidth sign
        ("&＃６５；gain", "again"),
        ("frе\u0301е\u0301", "free"),  # a confusable with a combining mark
        ("frёe", "free"),  # the same in one character
        ("с\u0301а\u0301ѕ\u0301һ\u0301", "cash"),
        ("f\u200b\u0336r\u200b\u0336ee", "free"),
        ("ｆ\u0301ｒ\u0301ее", "free"),
        ("\u202eeеrf\u202c", "free"),  # confusables the wrong way round
        ("&#x202e;eerf", "free"),
        ("\u202e;301#&\u202c", "g"),  # an entity the wrong way round
        ("f𝐫\u200dеe", "free"),
        ("frеé это слово", "free это слово"),  # an accent of a Latin language beside a confusable
        ("fr\u0301е\u0301e это слово", "free это слово"),
        ("\x81fr\u200b\x81ee", "free"),
    ],
)
def test_layers_come_off_whatever_their_order(text: str, folded: str) -> None:
    assert SEASONED.fold(text).text.lower() == folded


U = "〓"


def with_short_marks(text: str) -> str:
    """Return the text with one mark for each unknown word, which has as many as it had letters."""
    return re.sub(f"{U}+", U, text)


IN_OTHER_SCRIPTS = {
    "Привет, как дела? А у нас всё хорошо, а у вас?": f"{U}, {U} {U}? {U} {U} {U} {U} {U}, {U} {U} {U}?",
    "Она сказала, что у оса нет рос": f"{U} {U}, {U} {U} {U} {U} {U}",
    "Καλημέρα, τι κάνεις; Είναι ωραία μέρα και ο ήλιος": f"{U}, {U} {U}; {U} {U} {U} {U} {U} {U}",
    "Բարեւ, ինչպես ես, սա օձ է": f"{U}, {U} {U}, {U} {U} {U}",
    "see you at the кафе tomorrow": f"see you at the {U} tomorrow",
    "he said спасибо and left": f"he said {U} and left",
    "SMSки и мой iPhoneы": f"SMSки {U} {U} iPhoneы",
    "SMSка привет всегда": f"SMSка {U} {U}",
    "Ⴀ中ꓝ中 नमaम्म": "Ⴀ中ꓝ中 नमaम्म",
    "今天吃饭了吗": U,
    "안녕하세요, 5시": f"{U}, 5시",
    "شما خوبید": f"{U} {U}",
    "หวัดดี": U,
    "नमस्ते": U,
}


@pytest.mark.parametrize("text", IN_OTHER_SCRIPTS)
def test_words_of_scripts_of_the_training_messages_stay(text: str) -> None:
    assert SEASONED.fold(text) == (text, False)


@pytest.mark.parametrize(("text", "folded"), IN_OTHER_SCRIPTS.items())
def test_words_of_other_scripts_are_unknown_and_mixed_ones_stay(text: str, folded: str) -> None:
    once = FOLDER.fold(text)
    assert (with_short_marks(once.text), once.disguised) == (folded, False)
    assert len(once.text) == len(text)
    assert FOLDER.fold(once.text) == (once.text, False)


@pytest.mark.parametrize("folder", [FOLDER, SEASONED])
@pytest.mark.parametrize(
    "text",
    [
        "AT&T and R&B; rock &copyright all &copyright; &unknown;",
        "http://win.example/?a=1&b=2&amp=3",
        "£500 or €20 – “now” ‘ok’",
    ],
)
def test_what_is_no_disguise_stays(folder: Folder, text: str) -> None:
    assert folder.fold(text) == (text, False)


@pytest.mark.parametrize("text", ["می\u200cخواهم", "क्\u200dष"])
def test_joiners_of_other_scripts_are_no_disguise(text: str) -> None:
    assert not FOLDER.fold(text).disguised


def test_a_word_that_looks_latin_stays_among_words_of_its_script() -> None:
    assert SEASONED.fold("сор это слово").text == "сор это слово"
    assert FOLDER.fold("сор это слово").text == "〓〓〓 〓〓〓 〓〓〓〓〓"
    assert FOLDER.fold("a сор on the beat").text == "a cop on the beat"


def test_emoji_are_named_and_rows_of_one_are_one_name() -> None:
    views = NORMALIZER.views("happy 🎉🎉🎉 day 🆓")
    assert (views.text, views.joined, views.disguised) == ("happy  party popper  day  free ", None, False)


def test_names_of_emoji_make_no_message_latin() -> None:
    seasoned = Normalizer(lambda: replace(TABLES, foreign=()), WORDS.__contains__)
    for normalizer, words in ((seasoned, "а у нас"), (NORMALIZER, "〓 〓 〓〓〓")):
        once = normalizer.views("а у нас 🎉🎂😂🔥").text
        assert once.startswith(f"{words}  party popper")
        assert normalizer.views(once).text == once
