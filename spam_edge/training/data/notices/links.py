"""Generators of links and addresses on domains reserved for examples (RFC 2606): ``.example``, ``example.com``.

The part before the reserved name looks like a real domain, so links of both labels have all kinds of endings.
"""

import random
import re
import string
from collections.abc import Callable

from spam_edge.training.data.notices import names

_PATHS, _ENDINGS, _CHEAP, _BAITS, _HOSTS, _ROLES = (
    names.LISTS[name].split() for name in ("path", "ending", "cheap", "bait", "host", "role")
)
_SHORTENED = 0.15
"""Share of an organisation's links that a URL shortener hides."""
_LIKE_GENUINE = 0.25
"""Share of fraudulent links that look like those of an organisation."""
_SHORTENED_FRAUDS = 0.6
"""Share of these that are shortened."""
_RESERVED = re.compile(r"(?P<last>[\w-]+)\.example(?P<ending>\.(?:com|org))?(?![\w.-]*\w)")
_TOP_LEVEL = frozenset(ending.rpartition(".")[2] for ending in (*_ENDINGS, *_CHEAP))


def with_public_domains(text: str, rng: random.Random) -> str:
    """Replace the reserved ending of each domain: ``x.life.example`` becomes ``x.life``, ``x.example`` ``x.co.uk``.

    No link on a phone ends with ``.example``. The result may name real domains, so it is only for the training messages
    in memory: it is never written.
    """

    def replace(match: re.Match[str]) -> str:
        before, last = text[: match.start()], match["last"]
        if match["ending"]:
            return last + match["ending"]
        if before.endswith(".") and last in _TOP_LEVEL:
            return last
        return f"{last}.{rng.choice(_ENDINGS)}"

    return _RESERVED.sub(replace, text)


def ordinary(rng: random.Random, region: str) -> str:
    """Return a link of an organisation. Some organisations use a URL shortener."""
    return shortened(rng, region) if rng.random() < _SHORTENED else _plain(rng, region)


def shortened(rng: random.Random, _: str) -> str:
    """Return a link of a URL shortener."""
    host = "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(2, 5)))
    dot = rng.choice((".ly", ".ly", ".it", ".co", ".co", ".to", ".me", ".at", ".gd", ".is", ".be", ".com", ""))
    return f"{_scheme(rng, missing=0.5)}{host}{dot}.example/{_token(rng)}"


def suspicious(rng: random.Random, region: str) -> str:
    """Return a fraudulent link: a look-alike domain, a throw-away domain or an IP address.

    As in real frauds, most have neither scheme nor path, and top-level domains vary. Some links look like those of
    organisations, so that the form of a link alone does not decide.
    """
    if rng.random() < _LIKE_GENUINE:
        return shortened(rng, region) if rng.random() < _SHORTENED_FRAUDS else _plain(rng, region)
    brand, bait, other, cheap = _word(rng), rng.choice(_BAITS), rng.choice(_BAITS), rng.choice(_CHEAP)
    hosts: tuple[Callable[[], str], ...] = (
        lambda: f"{brand}-{bait}.{cheap}",
        lambda: f"{bait}-{brand}",
        lambda: f"{bait}{brand}.{cheap}",
        lambda: f"{brand}.{rng.choice(_ENDINGS)}-{bait}",
        lambda: f"{brand}{bait}{rng.randint(1, 999)}.{cheap}",
        lambda: f"{_jumble(rng, 3, 9)}.{cheap}",
        lambda: f"{_jumble(rng, 3, 6)}.{cheap}",
        lambda: f"{brand[: rng.randint(2, 5)]}{_jumble(rng, 1, 3)}.{cheap}",
        lambda: f"{rng.choice((bait, other))}{_jumble(rng, 1, 3)}.{cheap}",
        lambda: f"{brand}.{cheap}",
        lambda: f"{brand}{rng.randint(1, 99)}.{cheap}",
        lambda: f"{bait}.{brand}.{other}",
    )
    address = rng.random() < 0.03
    host = f"203.0.113.{rng.randint(1, 254)}" if address else f"{rng.choice(hosts)()}.example"
    return _scheme(rng, missing=0.6) + host + _path(rng, missing=0.6)


def _plain(rng: random.Random, region: str) -> str:
    return _scheme(rng, missing=0.4) + site(rng, region) + _path(rng, missing=0.3)


def _scheme(rng: random.Random, *, missing: float) -> str:
    if rng.random() < missing:
        return rng.choice(("", "", "", "", "www."))
    return rng.choice(("https://", "https://", "https://", "http://"))


def _path(rng: random.Random, *, missing: float) -> str:
    return "" if rng.random() < missing else rng.choice(_PATHS).format(_token(rng), _token(rng))


def _jumble(rng: random.Random, shortest: int, longest: int) -> str:
    length = rng.randint(shortest, longest)
    return "".join(rng.choice(string.ascii_lowercase + string.digits) for _ in range(length))


def site(rng: random.Random, _: str) -> str:
    """Return a bare domain."""
    name = _word(rng)
    reserved = rng.choice(
        (f"{name}.{rng.choice(_ENDINGS)}.example", f"{name}.example", f"{name}.example.com", f"{name}.example.org")
    )
    return rng.choice(("", "", "", "www.", "m.", "my.")) + reserved


def email(rng: random.Random, region: str) -> str:
    """Return an e-mail address of an organisation or a person."""
    if rng.random() < 0.3:
        person = f"{rng.choice(names.FIRST_NAMES).lower()}{rng.choice(('', '.', '_'))}{rng.randint(1, 1999)}"
        return f"{person}@{_word(rng)}{rng.choice(('mail', 'post', 'box'))}.example"
    user = rng.choice(
        (rng.choice(names.FIRST_NAMES).lower(), "help", "info", "support", "accounts", "claims", _word(rng))
    )
    return f"{user}@{site(rng, region).removeprefix('www.')}"


def handle(rng: random.Random, _: str) -> str:
    """Return a messenger account name."""
    return f"@{_word(rng)}{rng.choice(('', '_', str(rng.randint(1, 99))))}{rng.choice(('', *_ROLES))}"


def contact(rng: random.Random, _: str) -> str:
    """Return a link to a messenger account."""
    name = rng.choice((_word(rng), _token(rng)))
    return f"{rng.choice(('https://', ''))}{rng.choice(_HOSTS)}.example/{name}"


def _word(rng: random.Random) -> str:
    return "".join(letter for letter in names.stem(rng).lower() if letter.isalnum())


def _token(rng: random.Random) -> str:
    return "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(rng.randint(3, 9)))
