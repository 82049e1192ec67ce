"""Links and addresses on domains that are reserved for examples, RFC 2606: ``.example``, ``.test``, ``example.com``.

Below the reserved name stands what a real one would look like, so that links of both labels have endings of all sorts.
"""

import random
import string

from spam_edge.training.notices import names

_PATHS, _ENDINGS, _CHEAP, _BAITS, _HOSTS, _ROLES = (
    names.LISTS[name].split() for name in ("path", "ending", "cheap", "bait", "host", "role")
)


def ordinary(dice: random.Random, region: str) -> str:
    """Return a link as an organisation sends it."""
    path = dice.choice(("", *_PATHS)).format(_token(dice), _token(dice))
    return dice.choice(("https://", "https://", "https://", "http://", "")) + site(dice, region) + path


def shortened(dice: random.Random, _: str) -> str:
    """Return a link as a shortener makes it."""
    host = "".join(dice.choice(string.ascii_lowercase) for _ in range(dice.randint(2, 4)))
    dot = dice.choice((".ly", ".it", ".co", ".to", ""))
    return f"{dice.choice(('https://', 'http://', ''))}{host}{dot}.example/{_token(dice)}"


def suspicious(dice: random.Random, _: str) -> str:
    """Return a link as frauds use it: a look-alike, a throw-away name or a bare address."""
    brand, bait, other = _word(dice), dice.choice(_BAITS), dice.choice(_BAITS)
    letters = "".join(dice.choice(string.ascii_lowercase + string.digits) for _ in range(dice.randint(4, 9)))
    host = dice.choice(
        (
            f"{brand}-{bait}.{dice.choice(_CHEAP)}.example",
            f"{bait}-{brand}.example",
            f"{brand}.{dice.choice(_ENDINGS)}-{bait}.example",
            f"{brand}{bait}{dice.randint(1, 999)}.{dice.choice(_CHEAP)}.example",
            f"{letters}.{dice.choice(_CHEAP)}.example",
            f"{brand}{dice.randint(1, 99)}.{dice.choice(_CHEAP)}.example",
            f"{bait}.{brand}.{other}.example",
            f"203.0.113.{dice.randint(1, 254)}",
        )
    )
    path = dice.choice(("", "", *_PATHS)).format(_token(dice), _token(dice))
    return dice.choice(("https://", "http://", "", "", "www.")) + host + path


def site(dice: random.Random, _: str) -> str:
    """Return a bare domain."""
    name = _word(dice)
    reserved = dice.choice(
        (f"{name}.{dice.choice(_ENDINGS)}.example", f"{name}.example", f"{name}.example.com", f"{name}.example.org")
    )
    return dice.choice(("", "", "", "www.", "m.", "my.")) + reserved


def email(dice: random.Random, region: str) -> str:
    """Return an e-mail address."""
    user = dice.choice(
        (dice.choice(names.FIRST_NAMES).lower(), "help", "info", "support", "accounts", "claims", _word(dice))
    )
    return f"{user}@{site(dice, region).removeprefix('www.')}"


def handle(dice: random.Random, _: str) -> str:
    """Return the name of a messenger account."""
    return f"@{_word(dice)}{dice.choice(('', '_', str(dice.randint(1, 99))))}{dice.choice(('', *_ROLES))}"


def contact(dice: random.Random, _: str) -> str:
    """Return a link to a messenger account."""
    name = dice.choice((_word(dice), _token(dice)))
    return f"{dice.choice(('https://', ''))}{dice.choice(_HOSTS)}.example/{name}"


def _word(dice: random.Random) -> str:
    return "".join(letter for letter in names.stem(dice).lower() if letter.isalnum())


def _token(dice: random.Random) -> str:
    return "".join(dice.choice(string.ascii_letters + string.digits) for _ in range(dice.randint(3, 9)))
