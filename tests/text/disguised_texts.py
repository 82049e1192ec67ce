"""Texts for property tests of each rule of ``joining.py``, and a small tokenizer with their vocabulary."""

from functools import cache

from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

WORDS = """
a an and are at bill book bonus call cash claim co code com come cool dot email fill for free go good hello hi http i
ill in is it lift link lll loss me meet meeting money net now offer on one pay prize pub see sell shop so soon sooo
the then time to too txt up usa us win winner won www you your zoo 2nite win2u gr8 x1 b4 50p
""".split()  # noqa: SIM905 - a list would take a line for each
"""Words of the vocabulary."""
KNOWN_TO_THE_NORMALIZER = frozenset(
    {
        "ringtone",
        "voucher",
        "loool",
        "texting",
        "cum",
        "ab1cd",
        "4u",
        "moneyofferlinks",
        "moneyofferlinksbonus",
        "moneyofferlinksssbonu",
    }
)
PIECES = [*"abcdefghijklmnoprstuvwy0123456789£\u2019", "ing", "er", "ree", "s", "ll", "oo", "00"]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = [*"abcdefghijklmnopqrstuvwxy"]  # without z, so that a word with z is unknown unless the vocabulary has it
MARKS = [*"!\"#$%&'()*+,-./:;<=>?@\\]^_`{|}£€₹\u2019“—"]  # without ~, which is unknown
TOKENS = [*SPECIAL, *MARKS, *"0123456789", *LETTERS, *(f"##{piece}" for piece in PIECES)]


@cache
def small_tokenizer() -> Tokenizer:
    """Return an uncased BERT tokenizer with a small vocabulary."""
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys([*TOKENS, *WORDS]))}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    return tokenizer


_LEET = {"a": "4@", "e": "3", "i": "1!|", "l": "1|", "o": "0", "s": "5$", "t": "7+", "b": "8", "g": "9"}
_DOMAINS = ["com", "net", "CO", "uk", "link", "online", "xyz", "comx", "c", "coms", "io_", "us-", "zip"]
_ADDRESSES = [
    "http://", "HTTPS:", "http", "xhttp:", "hxxp://", "h**ps: //", "www.", "www", "WwW.a", "me@pub.", "me@", "@a_1.",
    "@.", "and/or", "/", "a/ b", "10/12", " dot com", " dot ", "dot", " DOT\nnet", "a dot b", "(dot)", "( . )", "{.",
    "{ dot]", "(dot", "[.]", "(.com", "(\n.\t}", "(..)", " DoT  Co",
]  # fmt: skip
_AMOUNTS = [
    "50p",
    "5th",
    "b4",
    "c22",
    "c222",
    "250kg",
    "3kgs",
    "a1b",
    "1a1",
    "12",
    "0800",
    "$5",
    "£1.50",
    "p2p",
    "4u",
    "w8!",
    "!!",
    "||",
]
_SHORT = ["u", "r", "2", "x", "N", "A", "I", "i", "ok", "U.S", "e.g.", "a.b.c", "n-o", "q", "zz"]

words = st.sampled_from([*WORDS, *sorted(KNOWN_TO_THE_NORMALIZER)])


@st.composite
def _respelt_word(draw: st.DrawFn) -> str:
    """Draw a word in another spelling: case, leetspeak, repeated letters, separators."""
    letters = [*draw(words)]
    kind = draw(st.sampled_from(["case", "leet", "repeat", "split", "space", "tear", "mixed"]))
    separator = draw(st.sampled_from([*" _.-*", *"~^|,"]))
    spelt = []
    for index, letter in enumerate(letters):
        if kind in ("case", "mixed") and draw(st.booleans()):
            letter = letter.upper()  # noqa: PLW2901
        if kind in ("leet", "mixed") and letter.lower() in _LEET and draw(st.booleans()):
            letter = draw(st.sampled_from(_LEET[letter.lower()]))  # noqa: PLW2901
        if kind in ("repeat", "mixed"):
            letter *= draw(st.sampled_from([1, 1, 2, 3, 5]))  # noqa: PLW2901
        if index and (kind == "space" or (kind in ("split", "mixed") and draw(st.integers(0, 3)) == 0)):
            letter = separator + letter  # noqa: PLW2901
        if index and kind == "tear" and draw(st.integers(0, 2)) == 0:
            letter = " " + letter  # noqa: PLW2901
        spelt.append(letter)
    return "".join(spelt)


_beginnings = st.one_of(st.sampled_from(["", "a.", "pub.", "x", "_.", "@a.", "."]), _respelt_word())
_middles = st.sampled_from([*_ADDRESSES, *_DOMAINS, *(f".{domain}" for domain in _DOMAINS)])
# Part of an address protects its whole token from joining, so disguised words are put on both sides of it.
_addresses = st.builds("{}{}{}".format, _beginnings, _middles, st.one_of(st.just(""), st.just("."), _respelt_word()))
_printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
_long = st.builds(
    lambda letter, count: letter * count, st.sampled_from("abfx1é"), st.sampled_from([19, 20, 21, 99, 100, 101])
)
_NON_ASCII_AND_MARKUP = [
    *"£€₹₱\u2018\u2019“”\u2013—…•", "é", "漢", "🙏", "\x80", "\x91", "\xa3\xa0", "&amp;", "&lt;", "&pound;", "&", "\0",
    "\x7f", "\ufb01", "\u0430", "[", "[SEP]",
]  # fmt: skip
_strewn = st.builds(
    lambda sign, word: "".join(letter + sign for letter in word),
    st.sampled_from("·\u02c6—₹…\u0488\u093f\ufffe"),
    words,
)
_fragments = st.one_of(
    words,
    words,
    _respelt_word(),
    _respelt_word(),
    _respelt_word(),
    st.sampled_from(_SHORT),
    st.sampled_from(_AMOUNTS),
    _addresses,
    _printable,
)
_separators = st.sampled_from([" ", " ", " ", " ", "", "  ", "\n", "\t", "\r\n", ".", ", ", "! ", "-", "?"])
ascii_texts = st.lists(st.tuples(_fragments, _separators), max_size=12).map(lambda parts: "".join(map("".join, parts)))
"""ASCII texts, which the text library encodes or leaves to the joining code."""
texts = st.lists(
    st.tuples(
        st.one_of(_fragments, _fragments, _fragments, _long, _strewn, st.sampled_from(_NON_ASCII_AND_MARKUP)),
        _separators,
    ),
    max_size=12,
).map(lambda parts: "".join(map("".join, parts)))
"""``ascii_texts`` with long words, markup and non-ASCII characters added, some after each letter of a word."""

BORDERS = """
pr1ze PR1ZE he11o b111 1111 1|1|l i11 b!ll sh0p $hop 5hop $h0p! ca11| ca11!| fr33||! win|x ab1cd Ab1cd 4u 2nite 2Nite
win2u 50p 50ps 50pss b4 b44 b444 a1b f1l a@t +i+ +ime m33+ing 8ook 600d 9ood zz1zz n3+ |ink l1n|{ x|1 freee freeee
frree feee meeet meeeet sooo soooo zzzzzz zzzzzzz zzzz zzz aabbccdd aabbccc zzzabcde zzzabcdef LoooL looool sSell
selll sellL callll cooool coool lossss oooff ooon tooo toto e-mail e.m.ail em_ail em*ail e|mail e~mail e^mail
e-m-a-i-l m-e u_s u.s u*s c-u_m c.um -email- email. .email em--ail em-ail-x pub.com/pr1ze pub.com.pr1ze pub.comx.pr1ze
pub.c.pr1ze pub.co.pr1ze .com.pr1ze -.com.pr1ze _.com.pr1ze pub.online-pr1ze pub.com_pr1ze @.pr1ze @a.pr1ze @a-pr1ze
@a_9.pr1ze a@b.pr1ze a/pr1ze /-pr1ze //pr1ze -/pr1ze/ http:pr1ze http.pr1ze https:pr1ze httpss:pr1ze HTTP:PR1ZE
xhttp:pr1ze htp:pr1ze www.pr1ze www-pr1ze WWW.PR1ZE ww.pr1ze wwww.pr1ze hxxp h**p hxx h*p HXXPS h**ps:// see(dot)pub
see(.)pub see(dot(pub see{.}pub see{dot}pub see(x)pub see(.pub see() see(..)
""".split()  # noqa: SIM905 - as above
"""Words just inside and just outside each rule."""
BORDERS += [
    "m e e t", "m.e.e.t", "m-e.e-t", "m e e", "m e", "f r e e1", "1f r e e", "_f r e e", "f r e ex", "xf r e e",
    "f  r  e  e", "f_r_e_e", "f*r*e*e", "f~r~e~e", "u r a", "see dot com", "see dot\tcom", "see\ndot com",
    "see DOT uk", "seedot com", "see dotcom", "dot com", "see ( dot ) com", "see ( dot com", "see (\t.\n)com",
    "see ( . x", "see {. ]com", "money offer links", "money offer links bonus", "money offer links bonus a",
    "mo ne yo ff er li nk s", "mo ne yo ff er li nk sb onus", "m oney o f ferlinks", "mon ey.", "mon. ey", "mon ey x",
    "mon ey, mon ey", "x mon ey", "mon  ey", "mon\ney", "MON ey", "moN Ney", "monn ney", "monnn nney", "cal ll",
    "ca lL", "so so", "so o", "s o", "u see", "cu m", "pri ze you see mon ey", "y y y", "a i a", "b a", "zz b", "q q",
    "you r the", "win\tpr1ze", "win\tfree\nsee", "pr1ze\n", "free \n", "an d", "o n e", "on e", "to o", "b ill s",
    "xx xx", "mon ey!?", "mon! ey", "(moneyofferlinksssbonu", "(mon ey)", "mon -ey",
]  # fmt: skip
