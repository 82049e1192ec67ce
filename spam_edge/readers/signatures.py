"""What the first bytes of a file tell about its encoding, and whether it is text at all."""

import codecs
import re
from collections import Counter

from spam_edge.errors import InputError

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16-be"),
)
"""Byte order marks with the two encodings that they fit; those of UTF-32 first, which begin like those of UTF-16."""
MARK_BYTES = max(len(mark) for mark, *_ in _MARKS)
_SIGNATURES = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an Office file; save the sheet as CSV",
    b"\x1f\x8b": "gzip; spam-edge batch reads it with the suffix .gz, or unpack it with gunzip",
    b"\x28\xb5\x2f\xfd": "zstd; spam-edge batch reads it with the suffix .zst, or unpack it with unzstd",
    b"PAR1\x15": "Parquet; set --input-format parquet",
    b"SQLite format 3\0": "an SQLite database; export its table as CSV",
}
_PDF = re.compile(rb"%PDF-\d\.\d\s*?([\r\n]|\Z)")
_CONTROLS = frozenset({*range(1, 9), *range(14, 27), *range(28, 32), 127})
"""Bytes that text does not hold; 27 begins the colours of terminals."""


def may_begin_mark(head: bytes) -> bool:
    """Whether further bytes may tell another byte order mark than these."""
    return len(head) < MARK_BYTES and any(mark.startswith(head) for mark, *_ in _MARKS)


def marked_encodings(head: bytes) -> list[str]:
    """Return the encodings that fit the byte order mark at the beginning of a file, the general one first."""
    return next((names for mark, *names in _MARKS if head.startswith(mark)), [])


def check_mark(head: bytes, name: str, encoding: str) -> None:
    """Check that a byte order mark at the beginning of a file fits the encoding.

    Raises:
        InputError: the mark is that of another encoding.
    """
    fitting = marked_encodings(head)
    if fitting and codecs.lookup(encoding).name not in fitting:
        found = fitting[0]
        raise InputError(f"{name} looks like {found.upper()}; use --encoding {found}")


def check_text(head: bytes, name: str, encoding: str) -> None:
    """Check that a file begins like text in an encoding. A NUL byte alone does not tell: it spoils its line only.

    Raises:
        InputError: the file has a byte order mark of another encoding, or is binary.
    """
    check_mark(head, name, encoding)
    if b"\0" in "\n".encode(encoding):
        return
    for signature, found in _SIGNATURES.items():
        if head.startswith(signature):
            raise InputError(f"{name} is a binary file: {found}")
    if _PDF.match(head):
        raise InputError(f"{name} is a binary file: PDF; copy its text into a text file")
    if order := _wide_order(head):
        raise InputError(f"{name} looks like UTF-16 or UTF-32 without a mark; use --encoding utf-16-{order}")
    if b"\0" in head and not _CONTROLS.isdisjoint(head):
        raise InputError(f"{name} is a binary file; use text, CSV, TSV, JSON Lines or a .parquet file")


def _wide_order(head: bytes) -> str | None:
    """Return the byte order of UTF-16 without a mark: most characters of a text share one or two high bytes."""
    if head.count(0) > len(head) * 2 // 5:
        return "le" if head[1::2].count(0) >= head[::2].count(0) else "be"
    if b"\0" in head:
        for order, high in (("le", head[1::2]), ("be", head[::2])):
            commonest = sum(count for _, count in Counter(high).most_common(2))
            text = head.decode(f"utf-16-{order}", "ignore")
            if commonest >= 0.9 * len(high) and all(
                character.isprintable() or character in "\t\r\n" for character in text
            ):
                return order
    return None
