"""Positions of words and URLs in a message."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ENDING = r"com|net|org|info|biz|mobi|tv|cc|xyz|eu|ie|de|fr|nl|pl|ru|cn|au|(?:co|me|org|ac)\.uk"
# A domain without http:// or www. counts if it has a common ending or a path, and is not part of a mail address.
_URL = rf"""
    (?<![\w@.-])
    (?: (?P<scheme>https?://) (?P<host>[\w-]+(?:\.[\w-]+)*)
      | (?P<www>www(?:\.[\w-]+)+)
      | (?P<bare>(?:[a-z0-9-]+\.)+(?:(?:{_ENDING})(?![\w@-]|\.\w)|[a-z]{{2,}}(?=/\w))) )
    (?P<rest>(?::\d+)?(?:[/?\#](?:\S*[^\s.,;:!?'")\]])?)?)
"""
_MAIL = r"(?<![\w.+-])[\w.+-]++@[\w-]+(?:\.[\w-]+)*"
_ENTITY = r"&(?:\w+|\#\d+);"
_WORD = r"(?P<word>[^\W_]+(?:['’][^\W_]+)*)"
_URLS = re.compile(_URL, re.VERBOSE | re.IGNORECASE)
_WORDS = re.compile(rf"(?:{_URL}) | {_MAIL} | {_ENTITY} | {_WORD}", re.VERBOSE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a message: ``message[start:end] == text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Url(Span):
    """A URL and its parts: ``text == scheme + host + rest``. Only the host is always non-empty."""

    scheme: str
    host: str
    rest: str


def words(message: str) -> list[Span]:
    """Return the words: runs of letters and digits with at least one letter, inner apostrophes included.

    URLs, mail addresses and HTML entities are skipped, because word attacks must keep links usable.
    """
    return [
        Span(*match.span(), match.group())
        for match in _WORDS.finditer(message)
        if match["word"] and any(map(str.isalpha, match["word"]))
    ]


def urls(message: str) -> list[Url]:
    """Return URLs with a scheme or ``www.``, and bare domains with a common ending or a path.

    Trailing punctuation is excluded.
    """
    return [
        Url(*match.span(), match.group(), match["scheme"] or "", match["host"] or match["www"] or match["bare"], rest)
        for match in _URLS.finditer(message)
        for rest in [match["rest"]]
    ]


def replace(message: str, new: Mapping[Span, str]) -> str:
    """Replace spans of a message by new text. The spans must not overlap."""
    parts, end = [], 0
    for span in sorted(new, key=lambda span: span.start):
        parts += [message[end : span.start], new[span]]
        end = span.end
    return "".join([*parts, message[end:]])
