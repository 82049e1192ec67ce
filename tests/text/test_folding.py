"""Folding undoes disguises in any nesting and leaves other text unchanged."""

# ruff: noqa: RUF001 - the tests use confusable characters

import re
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.text.normalization import Normalizer
from spam_edge.text.normalization.folding import Folder
from tests.support.normalizers import FOLDER, NORMALIZER, SEASONED, TABLES, WORDS, new_tables

SEASONED_TABLES = replace(TABLES, foreign=())


@cache
def _new_folder() -> Folder:
    return Folder(replace(new_tables(), foreign=()), (WORDS | {"winner"}).__contains__)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        # HTML entities
        ("tom &amp; jerry", "tom & jerry"),
        ("I &lt;3 u", "I <3 u"),
        ("caf&eacute;", "cafe"),
        ("&#102;ree &#x46;REE", "free FREE"),
        ("&amp;lt;#&amp;gt;", "<#>"),
        # Windows-1252 bytes decoded as Latin-1
        ("don\x92t \x93pay\x94 \x80 100", "don’t “pay” € 100"),
        ("wait\x85", "wait..."),
        ("caf\x9a", "cafs"),
        # compatibility forms of ordinary text
        ("ﬁrst oﬃce", "first office"),
        ("½ price, 10 m²", "1/2 price, 10 m2"),
        ("call\u00a0me\u2009later", "call me later"),
        ("José, Zoë, jose\u0301", "Jose, Zoe, jose"),
        ("No№™", "NoNoTM"),
        ("DAVÍÐ og Guðrún", "DAVID og Gudrun"),
        # emoji joiners and modifiers
        ("ok 👍🏽", "ok 👍"),
        ("👩\u200d🚀 off", "👩🚀 off"),
        ("love\u2764\ufe0fyou", "love\u2764you"),
        ("dial 1\ufe0f\u20e32\ufe0f\u20e3", "dial 12"),
        ("in 🇸🇬 now", "in  sg  now"),
        ("🏴\U000e0067\U000e0062\U000e007f", "🏴"),
        # emoji that are symbols
        ("Ⓜ station", "m station"),
        ("ask at ℹ\ufe0f", "ask at i"),
    ],
)
def test_ordinary_text_is_folded_without_disguise_flag(text: str, folded: str) -> None:
    result = FOLDER.fold(text)
    assert (result.text.lower(), result.disguised) == (folded.lower(), False)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        # direction and deletion
        ("a \u202eeerf\u202c prize", "a free prize"),
        ("\u202eezirp", "prize"),
        ("\u202eeerf\nnow", "free\nnow"),
        ("frx\bee", "free"),
        ("\b\bfree", "free"),
        # styled letters
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
        *((f"fr{invisible}ee", "free") for invisible in "\u3164\u2800\ufe0f\u2066\U000e0041\x01\x7f\U0001d173"),
        ("free\U000e0066\U000e0072 prize", "free prize"),  # tag characters without a flag
        ("\U000e0066free", "free"),
        # letters of other scripts
        ("frее рrizе", "free prize"),
        ("υοu wοn", "uou won"),
        ("ϲаѕһ now", "cash now"),
        ("ꓖet ꓟoney", "get money"),
        ("Ꮯall", "call"),
        ("օffeր", "offeր"),
        ("cаΙΙ aΙΙ, хΙz", "call all, xiz"),  # an iota reads as i or l
        ("сосо жоw", "coco жow"),
        # lookalike letters and signs
        ("ғʀᴇᴇ ɢɪғᴛ", "free gift"),
        ("fr℮℮ pri℮", "free pri℮"),  # only known words
        ("ǫᴜɪᴄᴋ", "quick"),
        ("ǫ\u200buick", "quick"),
        ("&#x1eb;uick", "quick"),
        ("₣ⱤɆɆ ₱₹ize ₱rize", "free ₱₹ize prize"),
        ("тєℓєgяαм", "telegram"),
        ("ωнαтѕαρρ", "whatsapp"),
        ("тєℓєgяáм", "telegram"),  # with an accent, in a further round
        # combining marks
        ("f\u0336r\u0336e\u0336e\u0336", "free"),
        ("fr\u0301\u0317\u0360ee", "free"),
    ],
)
def test_disguised_text_is_folded_with_disguise_flag(text: str, folded: str) -> None:
    result = FOLDER.fold(text)
    assert (result.text.lower(), result.disguised) == (folded.lower(), True)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("&#xFF26;ree", "free"),  # an entity of a fullwidth letter
        ("fr&#8203;ee", "free"),  # an entity of an invisible character
        ("fr&amp;#8203;ee", "free"),
        ("＆#65;gain", "again"),  # an entity with a fullwidth ampersand
        ("&＃６５；gain", "again"),
        ("frе\u0301е\u0301", "free"),  # a confusable with a combining mark
        ("frёe", "free"),  # the same letter, precomposed
        ("с\u0301а\u0301ѕ\u0301һ\u0301", "cash"),
        ("f\u200b\u0336r\u200b\u0336ee", "free"),
        ("ｆ\u0301ｒ\u0301ее", "free"),
        ("\u202eeеrf\u202c", "free"),  # reversed confusables
        ("&#x202e;eerf", "free"),
        ("\u202e;301#&\u202c", "g"),  # a reversed entity
        ("f𝐫\u200dеe", "free"),
        ("frеé это слово", "free это слово"),  # an accented Latin letter beside a confusable
        ("fr\u0301е\u0301e это слово", "free это слово"),
        ("\x81fr\u200b\x81ee", "free"),
    ],
)
def test_nested_disguises_are_folded_in_any_order(text: str, folded: str) -> None:
    assert SEASONED.fold(text).text.lower() == folded


U = "〓"


def with_collapsed_marks(text: str) -> str:
    """Collapse each unknown word, which has one mark per letter, to a single mark."""
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
def test_words_in_scripts_of_training_messages_stay_unchanged(text: str) -> None:
    assert SEASONED.fold(text) == (text, False)


@pytest.mark.parametrize(("text", "folded"), IN_OTHER_SCRIPTS.items())
def test_foreign_words_become_unknown_and_mixed_script_words_stay(text: str, folded: str) -> None:
    once = FOLDER.fold(text)
    assert (with_collapsed_marks(once.text), once.disguised) == (folded, False)
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
def test_undisguised_text_with_symbols_stays_unchanged(folder: Folder, text: str) -> None:
    assert folder.fold(text) == (text, False)


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم",
        "क्\u200dष",
        "при\u00adвет",
        "ไทย\u200bไทย",
        "של\u200eום",
        "葛\U000e0100城",
        "한\u3164글",
        "🏴\U000e0067\U000e007f",
    ],
)
def test_script_specific_invisible_characters_are_no_disguise(text: str) -> None:
    assert not FOLDER.fold(text).disguised


@pytest.mark.parametrize("invisible", "\u2061\u2062\u2063\u2064\u206a\ufff9\U0001d173\U0001d17a\U000e0041")
def test_invisible_characters_of_no_script_are_always_disguise(invisible: str) -> None:
    assert FOLDER.fold(f"Дру{invisible}зья, скорее") == FOLDER.fold("Друзья, скорее")._replace(disguised=True)


@pytest.mark.parametrize("character", "\ufdd0\ufff0\ufffe\U0001ffff\U000e0200\U000e0fff")
def test_code_points_without_character_are_always_disguise(character: str) -> None:
    assert FOLDER.fold(f"fr{character}ee") == ("free", True)
    assert FOLDER.fold(f"Дру{character}зья") == FOLDER.fold("Друзья")._replace(disguised=True)


NEW_MARKS = "\u20dd\u20e0\u20e3\u0488\ua670\u1abe\ufffc\U0001d159\U00016fe4\U00013430\u0890\u0f3e\u093f"


@pytest.mark.parametrize("mark", NEW_MARKS, ids=ascii)
def test_marks_after_each_latin_letter_are_dropped_as_disguise(mark: str) -> None:
    assert _new_folder().fold("".join(letter + mark for letter in "winner") + "!") == ("winner!", True)
    assert _new_folder().fold(f"f{mark}𝐫{mark}\u200bее") == ("free", True)


@pytest.mark.parametrize("text", ["हिन्दी में मेसेज", "deviceों और SMSी", "தமிழ் மொழி", "བོད་ཡིག", "1\u20e3 2\ufe0f\u20e3"])
def test_marks_in_words_of_their_script_are_no_disguise(text: str) -> None:
    kept = text.replace("\u20e3", "").replace("\ufe0f", "")
    assert _new_folder().fold(text) == (kept, False)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("ᖴᖇEE ᑭᖇIᘔE, ᑕᗩᒪᒪ YOᑌᖇ", "free prize, call YOᑌᖇ"),  # Canadian syllabics, known words only
        ("frⲉⲉ ⲣrⲓzⲉ, ⲥⲁsⲏ", "free prize, cash"),  # Coptic
        ("Ŧгєє ςคll кค๓ ςlคเ๓", "free call кค๓ claim"),  # Thai with Cyrillic and Greek
        ("\U0001ccdb\U0001cce7\U0001ccda\U0001ccda \U0001ccf0\U0001ccf9", "FREE 09"),  # outlined letters and digits
    ],
)
def test_alphabets_of_generators_are_folded_with_disguise_flag(text: str, folded: str) -> None:
    result = _new_folder().fold(text)
    assert (result.text.lower(), result.disguised) == (folded.lower(), True)


@pytest.mark.parametrize("text", ["ᓇᑯᕐᒦᒃ ᑎᑌᑎ ᑭᑌᓪᓗ", "ⲣⲓⲛⲏⲧ ⲁⲛⲟⲕ", "ภค ยเคร ไปShopeeกัน ราคา ๒๐๔", "קשן ואץ", "Ŧeŧŧá"])
def test_real_words_with_letters_of_alphabets_stay(text: str) -> None:
    new = Folder(replace(new_tables(), foreign=()), lambda word: word.isascii())
    old = Folder(SEASONED_TABLES, lambda word: word.isascii())
    assert new.fold(text) == old.fold(text)


@pytest.mark.parametrize(
    "text",
    [
        *("МОСКВА", "МЕТРО", "ТОРТ НА СТОЛЕ", "КТО ТАМ", "СТАРТ В 5", "ОТВЕТЬ МНЕ", "Масса 5 кг", "МЕТРО Google"),
        *("ΝΕΡΟ", "ΟΧΙ", "ΝΑΙ ΤΟ ΕΧΩ", "ΤΟ ΡΑΝΤΕΒΟΥ ΣΑΣ ΕΙΝΑΙ ΑΥΡΙΟ ΣΤΙΣ 5", "ꓮꓝꓮ ꓡꓲꓢꓴ"),
    ],
)
def test_capitals_of_one_foreign_script_that_read_as_no_word_are_no_disguise(text: str) -> None:
    folder = Folder(SEASONED_TABLES, {"to", "ha", "tam", "he"}.__contains__)
    assert not folder.fold(text).disguised


@pytest.mark.parametrize("text", ["САТ", "ТНЕ САТ", "the САТ sat", "МOСКВА", "МΟСКВА", "ɑƖƖ", "САТ В ТНЕ НАТ"])
def test_foreign_capitals_that_read_as_words_or_mix_scripts_are_disguise(text: str) -> None:
    folder = Folder(SEASONED_TABLES, {"cat", "hat", "the"}.__contains__)
    assert folder.fold(text).disguised


@pytest.mark.parametrize(
    ("text", "disguised"),
    [
        *(("🇺🇸🇬🇧 pm", False), ("🇺🇸🇺🇸🇬🇧", False), ("🅰\ufe0f🅱\ufe0f", False), ("ℹ🅿 here", False)),
        *(("🇫🇷🇪🇪", True), ("🇨🇦🇸🇭 now", True), ("🇫🇷🇪", True), ("🅱🅾🅱", True), ("c🅰🅱", True), ("🅵🅰🅱", True)),
    ],
)
def test_adjacent_emoji_are_disguise_only_if_they_spell_word(text: str, disguised: bool) -> None:
    folder = Folder(TABLES, {"free", "cash", "bob"}.__contains__)
    assert folder.fold(text).disguised is disguised


PRICES = "GH₵514 GH₵ 5, ₦5,000 ₱500k 500ml℮ 100₱each 5₩on, грн₴"


@pytest.mark.parametrize(
    "text",
    [
        *("мама мята тема, ткань кит", "нет вам мяты", "Ғани аға", "єнот, ваш", "των πατέρων και μητερων"),
        *("SMSки и SMSка, iPhoneы", "μg, kΩ, ΔT, πr, αβγ-β"),
        PRICES,
    ],
)
def test_lookalike_letters_in_foreign_words_and_prices_stay(text: str) -> None:
    def known(word: str) -> bool:
        return word not in {"smskn", "smska"}  # mixed scripts, not real words

    with_shapes, without_shapes = (
        Folder(tables, known) for tables in (SEASONED_TABLES, replace(SEASONED_TABLES, shapes={}))
    )
    assert with_shapes.fold(text) == without_shapes.fold(text)


def test_lookalike_words_must_be_known_with_three_letters() -> None:
    assert Folder(SEASONED_TABLES, {"to", "tor"}.__contains__).fold("тo тor") == ("тo tor", True)
    assert Folder(SEASONED_TABLES, {"to"}.__contains__).fold("тor").text == "тor"


def test_currency_signs_in_prices_are_no_disguise() -> None:
    assert FOLDER.fold(PRICES.removesuffix(", грн₴")) == (PRICES.removesuffix(", грн₴"), False)


def test_latin_lookalike_word_is_folded_only_in_latin_text() -> None:
    assert SEASONED.fold("сор это слово").text == "сор это слово"
    assert FOLDER.fold("сор это слово").text == "〓〓〓 〓〓〓 〓〓〓〓〓"
    assert FOLDER.fold("a сор on the beat").text == "a cop on the beat"


def test_emoji_become_names_and_repeats_collapse() -> None:
    variants = NORMALIZER.variants("happy 🎉🎉🎉 day 🆓")
    assert (variants.text, variants.joined, variants.disguised) == ("happy  party popper  day  free ", None, False)


def test_emoji_names_do_not_make_message_latin() -> None:
    seasoned = Normalizer(lambda: replace(TABLES, foreign=()), WORDS.__contains__)
    for normalizer, words in ((seasoned, "а у нас"), (NORMALIZER, "〓 〓 〓〓〓")):
        once = normalizer.variants("а у нас 🎉🎂😂🔥").text
        assert once.startswith(f"{words}  party popper")
        assert normalizer.variants(once).text == once


FREQUENT = "aF1 \t.$&\b\u0e3f\u20a3\u20b1\u20a6\u20b9\u00a3\u20ac\u2018\u2026\u0301\u200b\u044f"


@pytest.mark.parametrize("folder", [FOLDER, SEASONED])
@given(text=st.text(st.sampled_from(FREQUENT), max_size=12))
def test_fast_path_for_prices_and_quotes_matches_folding(folder: Folder, text: str) -> None:
    layers = folder._fold_layers(text)
    if folder._unchanged.fullmatch(text):
        assert layers == (text, False)
        assert folder._foreign_word.sub("", text) == text


def test_prices_and_quotation_marks_take_fast_path() -> None:
    for text in ("pay \u00a35.50 or \u20b9 200", "\u2018it\u2019s\u2019 \u2013 \u20b1500 \u2022"):
        assert FOLDER._unchanged.fullmatch(text)
    for text in ("\u20b1ay", "P\u20b1", "\u20b1\u20b1\u20b1", "caf\u00e9", "a & b"):
        assert not FOLDER._unchanged.fullmatch(text)
