"""Numbers as they stand in messages of every kind: telephone numbers, codes, prices, times and dates."""

import random
import string
from collections.abc import Callable, Sequence

_BEFORE = ("", "", "", "on", "at", "for", "from", "code", "ref", "no.", "number", "call", "ring", "text", "is", "was")


def _digits(count: int, dice: random.Random) -> str:
    return "".join(dice.choice(string.digits) for _ in range(count))


def _telephone(dice: random.Random) -> str:
    start = dice.choice(("07", "08", "09", "01", "02", "+44 7", "+1 ", "+65 "))
    number = start + _digits(dice.choice((8, 9)), dice)
    at = len(start) + dice.randrange(2, 5)
    return number[:at] + " " + number[at:] if dice.random() < 0.5 else number


def _code(dice: random.Random) -> str:
    code = _digits(dice.randrange(3, 9), dice)
    if dice.random() < 0.3:
        code = code.replace(dice.choice(code), dice.choice(string.ascii_uppercase))
    return code


def _price(dice: random.Random) -> str:
    amount = str(dice.choice((dice.randrange(1, 20), dice.randrange(20, 1000))))
    if dice.random() < 0.4:
        amount += f".{_digits(2, dice)}"
    return dice.choice(("£{}", "£{}", "${}", "€{}", "{} pounds", "{} quid", "{}p", "{}")).format(amount)


def _time(dice: random.Random) -> str:
    hour, minute = dice.randrange(1, 24), dice.randrange(0, 60)
    return dice.choice((f"{hour}:{minute:02}", f"{hour % 12 + 1}.{minute:02}", f"{hour % 12 + 1}{dice.choice('ap')}m"))


def _date(dice: random.Random) -> str:
    day, month = dice.randrange(1, 29), dice.randrange(1, 13)
    return dice.choice((f"{day:02}/{month:02}", f"{day}/{month}/{dice.randrange(2000, 2040)}", f"the {day}th"))


def _count(dice: random.Random) -> str:
    return dice.choice((f"{dice.randrange(1, 100)}%", str(dice.randrange(1, 500)), f"x{dice.randrange(2, 10)}"))


_KINDS: Sequence[Callable[[random.Random], str]] = (
    _telephone,
    _telephone,
    _code,
    _code,
    _price,
    _price,
    _time,
    _date,
    _count,
)


def some_number(dice: random.Random) -> str:
    """Return a number of any kind, often with the word that would stand before it."""
    return f"{dice.choice(_BEFORE)} {dice.choice(_KINDS)(dice)}".strip()
