"""Random values for the slots of a template: amounts, dates, codes, names, links.

Links use reserved domains and addresses (RFC 2606, RFC 5737). Telephone numbers come from ranges reserved for fiction
(Ofcom, ACMA, ComReg, NANPA), have masked digits, or start with the invalid prefix 000 after the country code.
"""

import random
import re
import string
from collections.abc import Callable, Mapping

from spam_edge.training.data.notices import links, names

Draw = Callable[[random.Random, str], str]
"""Maps a random number generator and a region to a value."""

REGIONS = (
    "uk", "ie", "us", "ca", "au", "nz", "in", "pk", "bd", "lk", "np", "ng", "ke", "za", "gh", "tz", "ug", "et", "eg",
    "sg", "my", "ph", "hk", "ae",
)  # fmt: skip

_CURRENCIES: Mapping[str, tuple[float, tuple[str, ...]]] = {  # region -> (units per pound sterling, notations)
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
    "nz": (2.1, ("${}", "${}", "NZD {}", "NZ${}")),
    "bd": (130, ("BDT {}", "Tk {}", "Tk.{}", "Tk. {}", "TK {}", "BDT{}")),
    "lk": (380, ("LKR {}", "Rs. {}", "Rs {}", "LKR{}", "Rs.{}")),
    "np": (160, ("NPR {}", "Rs. {}", "NPR{}", "Rs {}", "Rs.{}")),
    "tz": (3300, ("TZS {}", "Tsh{}", "TSh {}", "TZS{}", "Tsh {}")),
    "ug": (4700, ("UGX {}", "UGX{}", "Shs {}", "UGX. {}")),
    "et": (150, ("ETB {}", "ETB{}", "Birr {}", "{} Birr", "Br {}")),
    "eg": (60, ("EGP {}", "EGP{}", "{} EGP", "LE {}")),
    "hk": (10, ("HKD {}", "HK${}", "HKD{}", "$ {}")),
    "sg": (1.7, ("S${}", "SGD {}", "${}", "SGD{}")),
    "my": (4, ("RM{}", "RM {}", "MYR {}", "RM{}")),
    "ph": (40, ("PHP {}", "P{}", "₱{}", "PHP{}", "Php {}")),
    "ae": (4, ("AED {}", "AED{}", "SAR {}", "QAR {}", "KWD {}", "Dhs {}", "OMR {}")),
}
_COUNTRY_CODES = {
    "nz": 64, "in": 91, "pk": 92, "bd": 880, "lk": 94, "np": 977, "ng": 234, "ke": 254, "za": 27, "gh": 233, "tz": 255,
    "ug": 256, "et": 251, "eg": 20, "sg": 65, "my": 60, "ph": 63, "hk": 852, "ae": 971,
}  # fmt: skip
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


def _digits(pattern: str, rng: random.Random) -> str:
    """Fill a pattern: ? is any digit, % a digit from 2 to 9, ^ a capital letter, ~ a hexadecimal digit."""
    fill = {"?": string.digits, "%": "23456789", "^": string.ascii_uppercase, "~": "0123456789abcdef"}
    return "".join(rng.choice(fill[mark]) if mark in fill else mark for mark in pattern)


def _pattern(*patterns: str) -> Draw:
    return lambda rng, _: _digits(rng.choice(patterns), rng)


def _one_of(*values: str) -> Draw:
    return lambda rng, _: rng.choice(values)


def _whole(low: int, high: int) -> Draw:
    return lambda rng, _: str(rng.randint(low, high))


def _money(low: float, high: float) -> Draw:
    def draw(rng: random.Random, region: str) -> str:
        units, notations = _CURRENCIES[region]
        return rng.choice(notations).format(_number(low * units, high * units, rng, region))

    return draw


def _bare_number(rng: random.Random, region: str) -> str:
    scale = _CURRENCIES[region][0] ** 0.6
    return _number(5 * scale, 9_000 * scale, rng, region)


def _number(low: float, high: float, rng: random.Random, region: str) -> str:
    value = low * (high / low) ** rng.random()
    if rng.random() < 0.4 and value > 20:
        step = 10 ** max(0, len(str(int(value))) - 2)
        value = round(value / step) * step
    decimals = rng.choice((0, 2, 2, 2, 1 if region in {"in", "pk"} else 2))
    text = f"{value:.{decimals}f}" if rng.random() < 0.3 else f"{value:,.{decimals}f}"
    whole, dot, rest = text.partition(".")
    if region == "in" and "," in whole:  # lakhs and crores: 12,34,567
        digits = whole.replace(",", "")
        whole = f"{re.sub(_EVERY_SECOND, ',', digits[:-3])},{digits[-3:]}"
    return whole + dot + rest


def _phone(rng: random.Random, region: str) -> str:
    if region in _FICTION:
        return _digits(rng.choice(_FICTION[region]), rng)
    code = _COUNTRY_CODES[region]
    return _digits(
        rng.choice(
            (
                f"+{code} 000 555 ????",
                f"+{code}000555????",
                "000555????",
                "000 555 ????",
                "XXXXX-X????",
                "1-800-555-01??",
            )
        ),
        rng,
    )


def _date(rng: random.Random, _: str) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(2019, 2027)
    name = names.MONTHS[month - 1]
    ordinal = f"{day}{'th' if 10 < day < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"
    forms = (
        f"{day:02}/{month:02}/{year}", f"{day:02}-{month:02}-{year % 100}", f"{day:02}-{month:02}-{year}",
        f"{day} {name[:3]}", f"{day} {name} {year}", f"{name[:3]} {day}", f"{name} {day}", f"{day}/{month}",
        f"{day:02}{name[:3]}{year % 100}", f"{year}-{month:02}-{day:02}", f"{day:02}.{month:02}.{year}",
        f"{day:02}-{name[:3].upper()}-{year}", f"{rng.choice(names.DAYS)[:3]} {day} {name[:3]}", f"{month}/{day}",
        f"{month:02}/{day:02}/{year}", f"{ordinal} {name}", f"{name} {day}, {year}",
    )  # fmt: skip
    return rng.choice(forms)


def _time(rng: random.Random, _: str) -> str:
    hour, minute, second = (
        rng.randint(0, 23),
        rng.choice((0, 5, 10, 15, 20, 30, 40, 45, rng.randint(0, 59))),
        rng.randint(0, 59),
    )
    twelve, half = hour % 12 or 12, "am" if hour < 12 else "pm"
    forms = (
        *[f"{hour:02}:{minute:02}"] * 2, f"{twelve}:{minute:02}{half}", f"{twelve}:{minute:02} {half.upper()}",
        f"{hour:02}:{minute:02}:{second:02}", f"{twelve}{half}", f"{twelve}.{minute:02}{half}",
        f"{hour:02}{minute:02}hrs",
    )  # fmt: skip
    return rng.choice(forms)


def _mixed(rng: random.Random, _: str) -> str:
    return "".join(rng.choice(string.ascii_uppercase + string.digits) for _ in range(rng.randint(5, 12)))


def _city(rng: random.Random, region: str) -> str:
    return rng.choice(names.CITIES[region])


def _street(rng: random.Random, _: str) -> str:
    return rng.choice(names.STREETS)


def _address(rng: random.Random, region: str) -> str:
    return f"{rng.randint(1, 240)} {_street(rng, region)}, {_city(rng, region)}"


def _first_name(rng: random.Random, _: str) -> str:
    return rng.choice(names.FIRST_NAMES)


def _full_name(rng: random.Random, _: str) -> str:
    first, last = rng.choice(names.FIRST_NAMES), rng.choice(names.SURNAMES)
    return rng.choice(
        (f"{first} {last}", f"{first} {last}", f"{first[0]} {last}", f"{first} {last}".upper(), f"{first[0]}. {last}")
    )


def _title_name(rng: random.Random, _: str) -> str:
    return f"{rng.choice(('Mr', 'Mrs', 'Ms', 'Dr', 'Miss', 'Prof'))} {rng.choice(names.SURNAMES)}"


def _sender(rng: random.Random, _: str) -> str:
    brand = "".join(letter for letter in names.stem(rng) if letter.isalpha()).upper()[:6]
    return f"{_digits('^^', rng)}-{brand}"


def _company(kind: str) -> Draw:
    return lambda rng, _: names.company(kind, rng)


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
    "day": lambda rng, _: rng.choice(names.DAYS)[: rng.choice((3, 10, 10))],
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
    "points": lambda rng, _: f"{rng.randint(50, 20_000):,}",
    "shortcode": _pattern("1????", "0????", "1???", "1?????"),
    "phone": _phone,
    "track": _pattern("^^?????????GB", "^^?????????", "1Z??^^?????????", "????????????", "^^^-??????", "???? ???? ??"),
    "order": _pattern("#?????", "???-???????", "????????", "^^-????", "#^^????", "%?????"),
    "plate": _pattern("^^?? ^^^", "^^^ ????", "^^^-???", "^^ ?? ^ ????", "???-^-???", "^^^ ???^"),
    "flight": _pattern("^^???", "^^ ????", "^^ ???", "%^???"),
    "seat": lambda rng, _: f"{rng.randint(1, 42)}{rng.choice('ABCDEF')}",
    "gate": lambda rng, _: rng.choice((str(rng.randint(1, 60)), f"{rng.choice('ABCD')}{rng.randint(1, 40)}")),
    "units": lambda rng, _: f"{rng.uniform(1, 900):.{rng.choice((0, 1, 2))}f}",
    "hash": _pattern("~~~~~~~", "~~~~~~~~~~", "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"),
    "iban": _pattern("^^?? ???? ???? ???? ???? ??", "^^??^^^^??????????????", "^^?????????????????????"),
    "coords": lambda rng, _: f"{rng.uniform(-60, 60):.4f},{rng.choice(('', ' '))}{rng.uniform(-170, 170):.4f}",
    "mention": _pattern("<@??????????????????>", "<@U?^^??^?^?>", "<@!?????????????????>", "@?????????"),
    "ip": _pattern("192.0.2.1?", "198.51.100.%?", "203.0.113.1??"),
    "version": lambda rng, _: f"{rng.randint(0, 12)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}",
    "room": lambda rng, _: rng.choice((str(rng.randint(1, 620)), f"{rng.choice('ABCDE')}{rng.randint(1, 30)}")),
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
"""Slot name -> value generator."""
STEADY = frozenset({"code", "site", "month", *names.COMPANIES})
"""Slots with the same value throughout a message."""
