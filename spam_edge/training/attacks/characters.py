"""Character-level attacks that keep a word readable: E1 to E5 and E9."""

import string

from spam_edge.training.attacks.attack import Draw
from spam_edge.training.attacks.confusables import homoglyphs

# Entries are drawn uniformly, then a character of the entry uniformly.
INVISIBLE = (
    *"\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e", "\u2061\u2062\u2063\u2064", "\ufe0f",
    "".join(map(chr, range(0xE0020, 0xE0080))), *"\u115f\u1160\u3164\u2800",
)  # fmt: skip
MARKS = "".join(map(chr, range(0x300, 0x370)))
RIGHT_TO_LEFT, POP, BACKSPACE = "\u202e", "\u202c", "\b"


def _alphabet(upper: int, lower: int, **holes: str) -> dict[str, str]:
    """Map ASCII letters to two runs of 26 code points, given by their first, except for the letters in ``holes``."""
    runs = {
        letter: chr(first + index)
        for first, letters in ((upper, string.ascii_uppercase), (lower, string.ascii_lowercase))
        for index, letter in enumerate(letters)
    }
    return runs | holes


def _one_case(letters: str) -> dict[str, str]:
    """Map both cases of a to z to ``letters``; a full stop marks a letter that Unicode lacks."""
    pairs = zip(string.ascii_lowercase, letters, strict=True)
    return {letter: form for small, form in pairs if form != "." for letter in (small, small.upper())}


FORMS = {
    "fullwidth": _alphabet(0xFF21, 0xFF41),
    "bold": _alphabet(0x1D400, 0x1D41A),
    "italic": _alphabet(0x1D434, 0x1D44E, h="ℎ"),
    "script": _alphabet(0x1D49C, 0x1D4B6, B="ℬ", E="ℰ", F="ℱ", H="ℋ", I="ℐ", L="ℒ", M="ℳ", R="ℛ", e="ℯ", g="ℊ", o="ℴ"),
    "sans-serif": _alphabet(0x1D5A0, 0x1D5BA),
    "circled": _alphabet(0x24B6, 0x24D0),
    "squared": _alphabet(0x1F130, 0x1F130),
    "negative squared": _alphabet(0x1F170, 0x1F170),
    "small capitals": _one_case("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡ.ʏᴢ"),
    "superscript": _one_case("ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖ𐞥ʳˢᵗᵘᵛʷˣʸᶻ"),
}


def homoglyph(word: str, draw: Draw) -> str:
    """E1: replace each ASCII letter by a homoglyph, of the same case if one exists."""
    return "".join(_look_alike(letter, draw) for letter in word)


def _look_alike(letter: str, draw: Draw) -> str:
    for case in (letter, letter.swapcase()) if letter.isascii() else ():
        known = homoglyphs().get(case, ())
        if allowed := [member for member in known if draw.characters is None or member in draw.characters]:
            return draw.rng.choice(allowed)
    return letter


def invisible(word: str, draw: Draw) -> str:
    """E2: insert an invisible character between any two letters."""
    return word[:1] + "".join(draw.rng.choice(draw.rng.choice(INVISIBLE)) + letter for letter in word[1:])


def compatibility(word: str, draw: Draw) -> str:
    """E3: write the word in one of Unicode's compatibility alphabets."""
    form = FORMS[draw.rng.choice(list(FORMS))]
    return "".join(form.get(letter, letter) for letter in word)


def combining(word: str, draw: Draw) -> str:
    """E4: add one to three combining marks to each letter."""
    return "".join(letter + _marks(draw) if letter.isalpha() else letter for letter in word)


def _marks(draw: Draw) -> str:
    return "".join(draw.rng.choices(MARKS, k=draw.rng.randint(1, 3)))


def control(word: str, draw: Draw) -> str:
    """E5: reverse the word under a right-to-left override, or insert one to three letters, each with a backspace."""
    if draw.rng.random() < 0.5:
        return RIGHT_TO_LEFT + word[::-1] + POP
    slips = draw.rng.sample(range(len(word)), k=min(len(word), draw.rng.randint(1, 3)))
    return "".join(letter + (_slip(draw) if index in slips else "") for index, letter in enumerate(word))


def _slip(draw: Draw) -> str:
    return draw.rng.choice(string.ascii_lowercase) + BACKSPACE


def random_case(word: str, draw: Draw) -> str:
    """E9: set each letter to upper or lower case with equal probability."""
    return "".join(_either_case(letter, draw) for letter in word)


def _either_case(letter: str, draw: Draw) -> str:
    changed = letter.upper() if draw.rng.random() < 0.5 else letter.lower()
    # Case mapping is not always reversible: the upper case of ß is SS.
    return changed if changed.lower() == letter.lower() and len(changed) == 1 else letter
