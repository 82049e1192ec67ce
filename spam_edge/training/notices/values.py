"""What stands in the slots of a template: amounts, dates, codes, names, links. Drawn anew each time.

Links stand on reserved domains (RFC 2606, RFC 5737). Telephone numbers come from ranges that regulators keep free for
fiction (Ofcom, ACMA, ComReg, NANPA), have digits masked, or begin with 000 after the country code, as no number does.
"""

import random
import re
import string
from collections.abc import Callable, Mapping

from spam_edge.training.notices import links, names

Draw = Callable[[random.Random, str], str]
"""Random numbers and a region to a value."""

REGIONS = ("uk", "ie", "us", "ca", "au", "in", "pk", "ng", "ke", "za", "gh", "sg", "my", "ph", "ae")

_CURRENCIES: Mapping[str, tuple[float, tuple[str, ...]]] = {  # units for a pound, and notations
    "uk": (1, ("£{}", "£{}", "£{}", "GBP {}", "{} GBP")),
    "ie": (1.2, ("€{}", "€{}", "EUR {}", "EUR{}", "{} EUR")),
    "us": (1.3, ("${}", "${}", "${}", "USD {}", "${} USD")),
    "ca": (1.7, ("${}", "${}", "CAD {}", "C${}", "CA${}")),
    "au": (2, ("${}", "${}", "AUD {}", "A${}")),
    "in": (50, ("Rs.{}", "Rs {}", "INR {}", "INR {}", "₹{}", "Rs{}", "Rs. {}", "Rs.{}/-")),
    "pk": (150, ("PKR {}", "Rs. {}", "Rs {}", "PKR{}", "Rs.{}", "PKR {}/-")),
    "ng": (600, ("NGN{}", "N{}", "₦{}", "NGN {}")),
    "ke": (80, ("KES {}", "Ksh{}", "KSh {}", "Ksh.{}", "KES{}")),
    "za": (15, ("R{}", "R {}", "ZAR {}", "R{}")),
    "gh": (10, ("GHS {}", "GHS{}", "GH₵{}", "GHC {}")),
    "sg": (1.7, ("S${}", "SGD {}", "${}", "SGD{}")),
    "my": (4, ("RM{}", "RM {}", "MYR {}", "RM{}")),
    "ph": (40, ("PHP {}", "P{}", "₱{}", "PHP{}", "Php {}")),
    "ae": (4, ("AED {}", "AED{}", "SAR {}", "QAR {}", "KWD {}", "Dhs {}", "OMR {}")),
}
_COUNTRY_CODES = {
    "in": 91,
    "pk": 92,
    "ng": 234,
    "ke": 254,
    "za": 27,
    "gh": 233,
    "sg": 65,
    "my": 60,
    "ph": 63,
    "ae": 971,
}
_FICTION = {
    "uk": ("01632 960???", "020 7946 0???", "07700 900???", "+44 7700 900???", "0808 157 0???", "+447700900???"),
    "ie": ("020 91? ????", "+353 20 91? ????"),
    "us": ("(%%%) 555-01??", "%%%-555-01??", "+1 %%% 555 01??", "1-800-555-01??", "%%%55501??"),
    "ca": ("(%%%) 555-01??", "%%%-555-01??", "1-888-555-01??"),
    "au": ("0491 570 006", "0491 570 156", "0491570157", "(02) 5550 ????", "(03) 7010 ????", "1800 160 401"),
}  # fmt: skip
_EVERY_SECOND = re.compile(r"(?<=\d)(?=(?:\d\d)+$)")
_ACCOUNTS = (
    "XX????", "XX????", "xx????", "X????", "*????", "**????", "****????", "XXXXXX????", "...????", "ending ????",
    "ending in ????", "no. XX????", "XX-????", "????XXXX????", "x-????", "XXX???",
)  # fmt: skip


def _digits(pattern: str, dice: random.Random) -> str:
    """Fill a pattern: ? is any digit, % a digit from 2, ^ a capital, ~ a hexadecimal digit."""
    fill = {"?": string.digits, "%": "23456789", "^": string.ascii_uppercase, "~": "0123456789abcdef"}
    return "".join(dice.choice(fill[mark]) if mark in fill else mark for mark in pattern)


def _pattern(*patterns: str) -> Draw:
    return lambda dice, _: _digits(dice.choice(patterns), dice)


def _one_of(*values: str) -> Draw:
    return lambda dice, _: dice.choice(values)


def _whole(low: int, high: int) -> Draw:
    return lambda dice, _: str(dice.randint(low, high))


def _money(low: float, high: float) -> Draw:
    def draw(dice: random.Random, region: str) -> str:
        units, notations = _CURRENCIES[region]
        return dice.choice(notations).format(_number(low * units, high * units, dice, region))

    return draw


def _bare_number(dice: random.Random, region: str) -> str:
    scale = _CURRENCIES[region][0] ** 0.6
    return _number(5 * scale, 9_000 * scale, dice, region)


def _number(low: float, high: float, dice: random.Random, region: str) -> str:
    value = low * (high / low) ** dice.random()
    if dice.random() < 0.4 and value > 20:
        step = 10 ** max(0, len(str(int(value))) - 2)
        value = round(value / step) * step
    decimals = dice.choice((0, 2, 2, 2, 1 if region in {"in", "pk"} else 2))
    text = f"{value:.{decimals}f}" if dice.random() < 0.3 else f"{value:,.{decimals}f}"
    whole, dot, rest = text.partition(".")
    if region == "in" and "," in whole:  # lakhs and crores: 12,34,567
        digits = whole.replace(",", "")
        whole = f"{re.sub(_EVERY_SECOND, ',', digits[:-3])},{digits[-3:]}"
    return whole + dot + rest


def _phone(dice: random.Random, region: str) -> str:
    if region in _FICTION:
        return _digits(dice.choice(_FICTION[region]), dice)
    code = _COUNTRY_CODES[region]
    return _digits(
        dice.choice(
            (
                f"+{code} 000 555 ????",
                f"+{code}000555????",
                "000555????",
                "000 555 ????",
                "XXXXX-X????",
                "1-800-555-01??",
            )
        ),
        dice,
    )


def _date(dice: random.Random, _: str) -> str:
    day, month, year = dice.randint(1, 28), dice.randint(1, 12), dice.randint(2019, 2027)
    name = names.MONTHS[month - 1]
    ordinal = f"{day}{'th' if 10 < day < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"
    forms = (
        f"{day:02}/{month:02}/{year}", f"{day:02}-{month:02}-{year % 100}", f"{day:02}-{month:02}-{year}",
        f"{day} {name[:3]}", f"{day} {name} {year}", f"{name[:3]} {day}", f"{name} {day}", f"{day}/{month}",
        f"{day:02}{name[:3]}{year % 100}", f"{year}-{month:02}-{day:02}", f"{day:02}.{month:02}.{year}",
        f"{day:02}-{name[:3].upper()}-{year}", f"{dice.choice(names.DAYS)[:3]} {day} {name[:3]}", f"{month}/{day}",
        f"{month:02}/{day:02}/{year}", f"{ordinal} {name}", f"{name} {day}, {year}",
    )  # fmt: skip
    return dice.choice(forms)


def _time(dice: random.Random, _: str) -> str:
    hour, minute, second = (
        dice.randint(0, 23),
        dice.choice((0, 5, 10, 15, 20, 30, 40, 45, dice.randint(0, 59))),
        dice.randint(0, 59),
    )
    twelve, half = hour % 12 or 12, "am" if hour < 12 else "pm"
    forms = (
        *[f"{hour:02}:{minute:02}"] * 2, f"{twelve}:{minute:02}{half}", f"{twelve}:{minute:02} {half.upper()}",
        f"{hour:02}:{minute:02}:{second:02}", f"{twelve}{half}", f"{twelve}.{minute:02}{half}",
        f"{hour:02}{minute:02}hrs",
    )  # fmt: skip
    return dice.choice(forms)


def _mixed(dice: random.Random, _: str) -> str:
    return "".join(dice.choice(string.ascii_uppercase + string.digits) for _ in range(dice.randint(5, 12)))


def _city(dice: random.Random, region: str) -> str:
    return dice.choice(names.CITIES[region])


def _street(dice: random.Random, _: str) -> str:
    return dice.choice(names.STREETS)


def _address(dice: random.Random, region: str) -> str:
    return f"{dice.randint(1, 240)} {_street(dice, region)}, {_city(dice, region)}"


def _first_name(dice: random.Random, _: str) -> str:
    return dice.choice(names.FIRST_NAMES)


def _full_name(dice: random.Random, _: str) -> str:
    first, last = dice.choice(names.FIRST_NAMES), dice.choice(names.SURNAMES)
    return dice.choice(
        (f"{first} {last}", f"{first} {last}", f"{first[0]} {last}", f"{first} {last}".upper(), f"{first[0]}. {last}")
    )


def _title_name(dice: random.Random, _: str) -> str:
    return f"{dice.choice(('Mr', 'Mrs', 'Ms', 'Dr', 'Miss', 'Prof'))} {dice.choice(names.SURNAMES)}"


def _sender(dice: random.Random, _: str) -> str:
    brand = "".join(letter for letter in names.stem(dice) if letter.isalpha()).upper()[:6]
    return f"{_digits('^^', dice)}-{brand}"


def _company(kind: str) -> Draw:
    return lambda dice, _: names.company(kind, dice)


SLOTS: Mapping[str, Draw] = {
    "name": _first_name,
    "fullname": _full_name,
    "surname": _one_of(*names.SURNAMES),
    "mrname": _title_name,
    "amount": _money(4, 4000),
    "price": _money(3, 60),
    "fee": _money(0.5, 5),
    "big": _money(500, 2_000_000),
    "bal": _money(3, 20_000),
    "num": _bare_number,
    "date": _date,
    "day": lambda dice, _: dice.choice(names.DAYS)[: dice.choice((3, 10, 10))],
    "time": _time,
    "month": _one_of(*names.MONTHS),
    "year": _whole(2019, 2027),
    "days": _whole(1, 30),
    "hours": _whole(1, 72),
    "minutes": _whole(1, 60),
    "code": _pattern(*["??????"] * 3, "????", "?????", "???????", "????????", "??? ???", "???-???", "??-??-??"),
    "acct": _pattern(*_ACCOUNTS),
    "last4": _pattern("????"),
    "ref": _pattern("??????", "????????", "??????????", "????????????", "???????????????", "????-????"),
    "alnum": _mixed,
    "n": _whole(1, 30),
    "pct": _whole(5, 90),
    "points": lambda dice, _: f"{dice.randint(50, 20_000):,}",
    "shortcode": _pattern("1????", "0????", "1???", "1?????"),
    "phone": _phone,
    "track": _pattern("^^?????????GB", "^^?????????", "1Z??^^?????????", "????????????", "^^^-??????", "???? ???? ??"),
    "order": _pattern("#?????", "???-???????", "????????", "^^-????", "#^^????", "%?????"),
    "plate": _pattern("^^?? ^^^", "^^^ ????", "^^^-???", "^^ ?? ^ ????", "???-^-???", "^^^ ???^"),
    "flight": _pattern("^^???", "^^ ????", "^^ ???", "%^???"),
    "seat": lambda dice, _: f"{dice.randint(1, 42)}{dice.choice('ABCDEF')}",
    "gate": lambda dice, _: dice.choice((str(dice.randint(1, 60)), f"{dice.choice('ABCD')}{dice.randint(1, 40)}")),
    "units": lambda dice, _: f"{dice.uniform(1, 900):.{dice.choice((0, 1, 2))}f}",
    "hash": _pattern("~~~~~~~", "~~~~~~~~~~", "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"),
    "iban": _pattern("^^?? ???? ???? ???? ???? ??", "^^??^^^^??????????????", "^^?????????????????????"),
    "coords": lambda dice, _: f"{dice.uniform(-60, 60):.4f},{dice.choice(('', ' '))}{dice.uniform(-170, 170):.4f}",
    "mention": _pattern("<@??????????????????>", "<@U?^^??^?^?>", "<@!?????????????????>", "@?????????"),
    "ip": _pattern("192.0.2.1?", "198.51.100.%?", "203.0.113.1??"),
    "version": lambda dice, _: f"{dice.randint(0, 12)}.{dice.randint(0, 30)}.{dice.randint(0, 9)}",
    "room": lambda dice, _: dice.choice((str(dice.randint(1, 620)), f"{dice.choice('ABCDE')}{dice.randint(1, 30)}")),
    "city": _city,
    "street": _street,
    "address": _address,
    "postcode": _pattern("^^? ?^^", "?????", "??????", "^?^ ?^?", "????"),
    "place": _one_of(*names.PLACES),
    "product": _one_of(*names.PRODUCTS),
    "sender": _sender,
    "link": links.ordinary,
    "short": links.shortened,
    "bad": links.suspicious,
    "site": links.site,
    "email": links.email,
    "handle": links.handle,
    "wa": links.contact,
    **{kind: _company(kind) for kind in names.COMPANIES},
}
"""What can stand in a slot, by its name."""
STEADY = frozenset({"code", "site", "month", *names.COMPANIES})
"""Slots that have the same value wherever they stand in a message."""
