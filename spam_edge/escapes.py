"""Escapes for text of unknown origin: names of files, columns and labels, and messages.

A terminal obeys control characters, and a log takes a line break in a name for the end of a line.
"""

import re

# C0 and C1 controls, DEL, bidirectional controls, line and paragraph separators, lone surrogates.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_IN_JSON = re.compile(_UNSAFE.pattern.replace(r"\x00-\x1f", ""))
_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""First characters of a cell that a spreadsheet may take for a formula; the last four are full-width forms."""


def one_line(text: str) -> str:
    r"""Escape control characters, which leaves one line: ESC becomes ``\x1b`` and a newline ``\n``."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def safe_json(document: str) -> str:
    r"""Escape the control characters of a JSON document that JSON itself allows in strings; its values stay equal."""
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def spreadsheet_cell(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet may take for a formula."""
    return f"'{text}" if text[:1] in _FORMULA else text
