"""The headers of mails and of their parts, bounded, in the form in which the parser of the parts compares them."""

import re
from email.policy import EmailPolicy
from typing import Any

from spam_edge.readers.extraction import UnreadableText

LONGEST_HEADER = 2**12
"""Maximum length in characters of a header that is read. The time to parse one grows with its square."""
FORWARDED = {"message/rfc822", "message/global"}
"""Content types of mails in mails."""
_TOKEN = r"[\w!#$%&'*+.^`|~-]+"  # noqa: S105 - of a header
_BEFORE = r"(?:\s|\([^()]*+\)|\")*+"
_KIND = re.compile(rf"{_BEFORE}({_TOKEN})\s*/\s*({_TOKEN})")
_WORD = re.compile(rf"{_BEFORE}({_TOKEN})")


class MailHeaders(EmailPolicy):
    """Returns what headers say without the comments, quotes and blanks around it.

    Mail programs accept such headers. The parser of Python does not: it would leave texts out, or in base64.
    """

    def header_fetch_parse(self, name: str, value: str) -> Any:
        """Return the value of a header.

        Raises:
            UnreadableText: it is too long.
        """
        if len(value) > LONGEST_HEADER:
            raise UnreadableText(f"a header is longer than {LONGEST_HEADER:,} characters; save the mail again", "mail")
        match name.lower():
            case "content-type":
                return _content_type(value)
            case "content-transfer-encoding" | "content-disposition":
                found = _WORD.match(value)
                return found[1].lower() if found else ""
            case _:
                return super().header_fetch_parse(name, value)


def _content_type(value: str) -> str:
    found = _KIND.match(value)
    if not found:
        return value
    kind = f"{found[1]}/{found[2]}".lower()
    if kind.startswith("message/") and kind not in FORWARDED:  # the parser takes each line of some for a mail
        kind = f"application/{found[2]}"
    return f"{kind};{value[found.end() :]}"
