"""Names of people, companies, places and products. Company names are fictitious and composed of parts."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

LISTS = dict(line.split(": ") for line in Path(__file__).with_name("names.txt").read_text("utf-8").splitlines())
FIRST_NAMES, SURNAMES, _STEMS = (tuple(LISTS[name].split()) for name in ("first", "last", "stem"))
PRODUCTS, STREETS, PLACES, MONTHS, DAYS = (
    tuple(LISTS[name].split(", ")) for name in ("product", "street", "place", "month", "day")
)
CITIES: Mapping[str, tuple[str, ...]] = {
    "uk": ("Leeds", "Cardiff", "Bristol", "Glasgow", "Derby", "Hull", "Bath", "Croydon"),
    "ie": ("Cork", "Galway", "Limerick", "Sligo", "Tralee", "Dundalk"),
    "us": ("Dayton", "Tucson", "Omaha", "Tampa", "Boise", "Fresno", "Newark", "Austin"),
    "ca": ("Halifax", "Calgary", "Regina", "Ottawa", "Surrey", "Laval"),
    "au": ("Geelong", "Cairns", "Perth", "Hobart", "Parramatta", "Ballarat"),
    "in": ("Pune", "Kochi", "Indore", "Nagpur", "Jaipur", "Mysuru", "Surat", "Patna"),
    "pk": ("Lahore", "Multan", "Karachi", "Sialkot", "Quetta"),
    "ng": ("Ibadan", "Enugu", "Kano", "Ikeja", "Abuja", "Lekki"),
    "ke": ("Kisumu", "Nakuru", "Thika", "Eldoret", "Kilimani"),
    "za": ("Durban", "Soweto", "Benoni", "Paarl", "Sandton", "Polokwane"),
    "gh": ("Kumasi", "Tema", "Tamale", "Osu"),
    "sg": ("Bedok", "Yishun", "Jurong East", "Clementi", "Punggol"),
    "my": ("Ipoh", "Klang", "Melaka", "Kuching", "Subang"),
    "ph": ("Cebu", "Davao", "Pasig", "Makati", "Iloilo", "Baguio"),
    "nz": ("Hamilton", "Napier", "Dunedin", "Tauranga", "Nelson"),
    "bd": ("Dhaka", "Sylhet", "Khulna", "Rajshahi", "Cumilla"),
    "lk": ("Kandy", "Galle", "Negombo", "Jaffna", "Matara"),
    "np": ("Pokhara", "Lalitpur", "Biratnagar", "Butwal"),
    "tz": ("Arusha", "Mwanza", "Dodoma", "Mbeya", "Kinondoni"),
    "ug": ("Jinja", "Gulu", "Mbarara", "Entebbe", "Ntinda"),
    "et": ("Adama", "Hawassa", "Bahir Dar", "Mekelle", "Bole"),
    "eg": ("Giza", "Tanta", "Maadi", "Nasr City", "Aswan"),
    "hk": ("Sha Tin", "Tsuen Wan", "Mong Kok", "Tai Po"),
    "ae": ("Sharjah", "Deira", "Al Ain", "Muscat", "Doha", "Salmiya"),
}

_ENDS = (
    "bridge",
    "field",
    "gate",
    "ford",
    "ley",
    "mont",
    "point",
    "port",
    "way",
    "well",
    "wood",
    "wick",
    "line",
    "mark",
)
_ONSETS = (
    "b",
    "br",
    "c",
    "d",
    "dr",
    "f",
    "g",
    "h",
    "j",
    "k",
    "kl",
    "l",
    "m",
    "n",
    "p",
    "qu",
    "r",
    "s",
    "st",
    "t",
    "v",
    "z",
)
_RIMES = ("a", "an", "ar", "e", "el", "en", "er", "i", "il", "in", "io", "o", "on", "or", "u", "um", "ya", "ex", "ix")

_KINDS: Mapping[str, tuple[str, ...]] = {
    "bank": ("{} Bank", "{} Bank", "{}Bank", "Bank of {}", "{} Savings", "{} Credit Union", "{} Trust", "{}"),
    "wallet": ("{}Pay", "{} Pay", "{}Cash", "{}", "{} Money", "{} Wallet", "{}Pesa"),
    "shop": ("{}", "{} Stores", "{}Mart", "{}shop", "{} & Co", "{} Home", "{} Fashion", "{} Market"),
    "courier": ("{} Express", "{} Parcels", "{}", "{} Post", "{} Logistics", "{}Ex", "{} Delivery", "{} Couriers"),
    "telco": ("{} Mobile", "{}", "{}Tel", "{} Telecom", "{}Fone", "{} Broadband"),
    "app": ("{}", "{}Chat", "{}ly", "{} ID", "{}Drive", "{} Cloud"),
    "utility": ("{} Energy", "{} Power", "{} Water", "{} Gas", "{} Electric", "{}"),
    "airline": ("{} Air", "Air {}", "{} Airways", "{}jet", "Fly{}"),
    "clinic": ("{} Clinic", "{} Dental", "{} Hospital", "{} Surgery", "{} Health Centre", "{} Medical", "Dr {}"),
    "school": ("{} Primary", "{} School", "{} College", "{} Academy", "University of {}", "{} High"),
    "company": ("{}", "{} Group", "{} Ltd", "{} Services", "{} Solutions", "{} Partners", "{}tech"),
    "insurer": ("{} Insurance", "{} Life", "{} Mutual", "{} Assurance", "{} Cover"),
    "streaming": ("{}flix", "{} TV", "{}+", "{} Play", "{} Music", "{}cast"),
    "casino": ("{}bet", "{} Casino", "{}Win", "{}Play", "{}Slots", "{}", "{}Jackpot", "{}88", "{}777", "{}PH"),
    "coin": ("{}coin", "{}Swap", "{} Exchange", "{}X", "{}DAO", "{}Fi"),
    "broker": ("{} Securities", "{} Invest", "{} Capital", "{} Markets", "{}Trade", "{} Wealth"),
    "restaurant": ("{} Kitchen", "The {}", "{} Grill", "{} Bistro", "Cafe {}", "{} Pizza"),
    "hotel": ("{} Hotel", "Hotel {}", "{} Inn", "{} Suites", "The {} Resort"),
    "gym": ("{} Fitness", "{} Gym", "{}Fit", "{} Yoga"),
    "toll": ("{}Pass", "{} Toll", "E-{}", "{} Tollway", "{}Link"),
    "drug": ("{}ol", "{}in", "{}ex", "{}trim", "{}vita", "{}max"),
}  # fmt: skip
COMPANIES = tuple(_KINDS)


def company(kind: str, rng: random.Random) -> str:
    """Return the name of a fictitious company.

    Args:
        kind: one of :data:`COMPANIES`.
        rng: random number generator.
    """
    name = rng.choice(_KINDS[kind]).format(stem(rng))
    return name.upper() if rng.random() < 0.2 else name


def stem(rng: random.Random) -> str:
    """Return a plausible brand name: one or two words, syllables, or two to four capitals."""
    make: tuple[Callable[[], str], ...] = (
        lambda: rng.choice(_STEMS),
        lambda: rng.choice(_STEMS) + rng.choice(_ENDS),
        lambda: "".join(rng.choice(_ONSETS) + rng.choice(_RIMES) for _ in range(rng.choice((2, 2, 3)))).capitalize(),
        lambda: "".join(rng.choice("ABCDEFGHIKLMNOPRSTUVZ") for _ in range(rng.choice((2, 3, 3, 4)))),
    )
    return rng.choices(make, (3, 3, 4, 3))[0]()
