"""Turn HTML into the text that a reader sees.

The time is linear in the length, unlike that of ``html.parser``, for which a small hostile page takes minutes.
"""

import io
import re
from html import unescape

from spam_edge.readers.extraction import UnreadableText

_MARKUP = re.compile(
    r"<(?:!--(?:-?>|.*?(?:--!?>|(?P<comment>\Z)))"
    r"|(?P<end>/)?(?P<tag>[a-z][^\s/>]*+)(?:[^>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')|=)*+(?:>|(?P<cut>\Z))"
    r"|[!?/][^>]*+(?:>|(?P<other>\Z)))",
    re.IGNORECASE | re.DOTALL,
)
"""A comment, a tag, or what browsers take for a comment; the groups ``comment``, ``cut`` and ``other`` have no end."""
_HIDDEN = {name: re.compile(rf"(?=</{name}[\s/>])", re.IGNORECASE) for name in ("script", "style", "template", "title")}
"""Elements that are not shown, with what ends them. The head is none: browsers end it at the first text."""
_BLOCKS = {"br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "table", "td", "th", "tr", "ul"}


def text_of_html(content: str) -> str:
    """Return what a reader sees, with a line per block.

    Raises:
        UnreadableText: a comment, a tag or a hidden element has no end, so that the text may be in it.
    """
    shown = io.StringIO()  # a list of all pieces takes gigabytes
    place = 0
    while found := _MARKUP.search(content, place):
        shown.write(_shown(content[place : found.start()]))
        place = found.end()
        if found["comment"] is not None or found["cut"] is not None or found["other"] is not None:
            raise _endless("a comment" if found["tag"] is None else "a tag")
        tag = (found["tag"] or "").lower()
        if tag in _BLOCKS:
            shown.write("\n")
        if tag in _HIDDEN and not found["end"]:
            if (end := _HIDDEN[tag].search(content, place)) is None:
                raise _endless(f"<{tag}>")
            place = end.start()
    shown.write(_shown(content[place:]))
    return "\n".join(filter(None, map(str.strip, shown.getvalue().split("\n"))))


def _shown(text: str) -> str:
    return unescape(text).replace("\n", " ")


def _endless(what: str) -> UnreadableText:
    return UnreadableText(f"{what} of the HTML has no end; save the mail as plain text", "html")
