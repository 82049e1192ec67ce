"""URL attacks: E10."""

import string
from collections.abc import Callable

from spam_edge.training.attacks.attack import Draw
from spam_edge.training.attacks.spans import Url, replace, urls

DOTS = ("[.]", "(dot)", " dot ", " . ")
TRUSTED = ("www.google.com", "www.bbc.co.uk", "www.amazon.co.uk", "www.apple.com")
# Networks reserved for documentation (RFC 5737).
_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")
_CYRILLIC = str.maketrans("aceopxysij", "асеорхуѕіј")


def disguise_urls(message: str, draw: Draw) -> str:
    """E10: hxxp, other dots, no scheme, a shortener, an IP or punycode host, or a trusted name before an @.

    Changes the level's share of the URLs, at least one. A message without URLs is returned unchanged.
    """
    found = urls(message)
    chosen = draw.rng.sample(found, min(len(found), draw.amount(len(found))))
    return replace(message, {url: _disguised(url, draw) for url in chosen})


def _disguised(url: Url, draw: Draw) -> str:
    forms = (form(url, draw) for form in draw.rng.sample(_FORMS, len(_FORMS)))
    return next(new for new in forms if new != url.text)


def _defanged(url: Url, draw: Draw) -> str:
    return f"hxxp{url.scheme[4:] or '://'}{url.host}{url.rest}"


def _other_dots(url: Url, draw: Draw) -> str:
    return url.scheme + url.host.replace(".", draw.rng.choice(DOTS)) + url.rest


def _without_scheme(url: Url, draw: Draw) -> str:
    return url.host + url.rest


def _shortened(url: Url, draw: Draw) -> str:
    return f"{url.scheme}bit.ly/{''.join(draw.rng.choices(string.ascii_letters + string.digits, k=7))}"


def _address(url: Url, draw: Draw) -> str:
    return f"http://{draw.rng.choice(_NETWORKS)}.{draw.rng.randint(1, 254)}{url.rest}"


def _punycode(url: Url, draw: Draw) -> str:
    """Replace a letter by a Cyrillic homoglyph, in punycode, in the longest host label that has such a letter."""
    labels = url.host.lower().split(".")
    number = max(range(len(labels)), key=lambda number: (bool(_places(labels[number])), len(labels[number])))
    if not (places := _places(labels[number])):
        return url.text
    label, at = labels[number], draw.rng.choice(places)
    alike = label[:at] + label[at].translate(_CYRILLIC) + label[at + 1 :]
    labels[number] = f"xn--{alike.encode('punycode').decode()}"
    return url.scheme + ".".join(labels) + url.rest


def _places(label: str) -> list[int]:
    return [at for at, letter in enumerate(label) if ord(letter) in _CYRILLIC]


def _behind_at(url: Url, draw: Draw) -> str:
    return f"{url.scheme or 'http://'}{draw.rng.choice(TRUSTED)}@{url.host}{url.rest}"


_FORMS: tuple[Callable[[Url, Draw], str], ...] = (
    _defanged,
    _other_dots,
    _without_scheme,
    _shortened,
    _address,
    _punycode,
    _behind_at,
)
