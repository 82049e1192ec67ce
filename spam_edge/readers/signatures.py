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
_ARCHIVE = "an archive; unpack it"
_ARROW = "Arrow or Feather; write it as Parquet or CSV"
_ZIP = "a ZIP archive or an Office file; unpack it, or save it as text, a sheet as CSV"
_ZIP_PARTS = {
    b"xl/w": "an Excel workbook; save the sheet as CSV",
    b"word/": "a Word document; copy its text into a text file",
}
"""Beginnings of the names of files in a ZIP archive, with what it is."""
_SIGNATURES = {
    b"PK\x03\x04": _ZIP,
    b"PK\x05\x06": _ZIP,
    b"\xd0\xcf\x11\xe0": "an Office file; save it as text, a sheet as CSV",
    b"\x1f\x8b": "gzip; spam-edge batch reads it with the suffix .gz, or unpack it with gunzip",
    b"\x28\xb5\x2f\xfd": "zstd; spam-edge batch reads it with the suffix .zst, or unpack it with unzstd",
    **{b"BZh%d1AY&SY" % level: "bzip2; unpack it with bunzip2" for level in range(1, 10)},
    b"\xfd7zXZ\0": "xz; unpack it with unxz",
    b"\x04\x22\x4d\x18": "lz4; unpack it with unlz4",
    b"7z\xbc\xaf\x27\x1c": _ARCHIVE,
    b"Rar!\x1a\x07": _ARCHIVE,
    b"ANDROID BACKUP\n": "a backup of Android; export its messages as CSV",
    b"PAR1\x15": "Parquet; set --input-format parquet",
    b"ARROW1\0\0": _ARROW,
    b"FEA1\0": _ARROW,
    b"Obj\x01": "Avro; write it as JSON Lines or CSV",
    b"SQLite format 3\0": "an SQLite database; export its table as CSV",
}
_TAR = (b"ustar", 257)
"""The signature of a tar archive, and where it is."""
_PDF = rb"\s*%PDF-\d\.\d\s*?([\r\n]|\Z)"
_LETTERS = 3
"""Bytes of a signature that may be letters of UTF-16."""
_ISO_2022 = ((rb"\x1b\$[@B][\x21-\x7e]", "iso-2022-jp"), (rb"\x1b\$\)C", "iso-2022-kr"))
"""Escape sequences before letters, in encodings whose bytes are all ASCII."""
_HZ = rb"~\{(?:[\x21-\x57][\x21-\x7e])++~\}"
"""Common letters in the encoding HZ, whose bytes are all ASCII; pairs of lower-case letters are none."""
_CONTROLS = frozenset({*range(1, 9), *range(14, 27), *range(28, 32), 127})
"""Bytes that text does not hold; 27 begins the colours of terminals."""
_BLANKS = "\t\n\v\f\r\x1b\x85"
_READABLE = "use text, CSV, TSV, JSON Lines or a .parquet file"
_MANY = 8
"""Characters that text does not hold, from which UTF-16 may be binary; fewer are bad lines."""


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
        InputError: the file shows that it has another encoding, or is binary.
    """
    check_mark(head, name, encoding)
    wide = b"\0" in "\n".encode(encoding)
    if described := _binary_format(head, _LETTERS if wide else 0):
        raise InputError(f"{name} is a binary file: {described}")
    if wide:
        text = _decoded(head, encoding)
        if "\0" in text and (spoilt := _spoilt(text)) >= _MANY and spoilt * 10 > len(text):
            raise InputError(f"{name} is a binary file, or not {encoding}; {_READABLE}")
        return
    if found := _wide_encoding(head):
        raise InputError(f"{name} looks like {found[:6].upper()} without a mark; use --encoding {found}")
    if b"\0" in head and (_is_mostly_nul(head) or not _CONTROLS.isdisjoint(head)):
        raise InputError(f"{name} is a binary file; {_READABLE}")
    if found := _ascii_encoding(head, encoding):
        raise InputError(f"{name} looks like {found.upper()}; use --encoding {found}")


def _binary_format(head: bytes, letters: int) -> str | None:
    """Return what a binary file is by its signature, if that is longer than ``letters``, and the remedy."""
    for signature, found in _SIGNATURES.items():
        if len(signature) > letters and head.startswith(signature):
            return next((part for path, part in _ZIP_PARTS.items() if path in head), found) if found is _ZIP else found
    if b"%PDF-" in head and re.match(_PDF, head):
        return "PDF; copy its text into a text file"
    if head.startswith(*_TAR):
        return _ARCHIVE
    if head.startswith(b"\xff\xff\xff\xff") and head[6:8] == b"\0\0":  # a stream of Arrow
        return _ARROW
    if head.startswith(b"ORC") and b"\0" in head and not _CONTROLS.isdisjoint(head):
        return "ORC; write it as Parquet or CSV"
    return None


def _wide_encoding(head: bytes) -> str | None:
    """Return the encoding of UTF-16 or UTF-32 without a mark. Binary files have as many NUL bytes, but are no text."""
    if b"\0" not in head:
        return None
    for encoding, high in (("utf-32-le", b""), ("utf-32-be", b""), ("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        text = _decoded(head, encoding)
        if _shares_bytes(high, _is_mostly_nul(head)) and text and _spoilt(text) * 50 <= len(text):
            return encoding
    return None


def _shares_bytes(high: bytes, nul: bool) -> bool:
    """Whether most characters share one or two high bytes, as those of a script do, or ``nul`` for Latin."""
    if nul:
        return high.count(0) * 2 >= len(high)
    return sum(count for _, count in Counter(high).most_common(2)) >= 0.9 * len(high)


def _is_mostly_nul(head: bytes) -> bool:
    return head.count(0) > len(head) * 2 // 5


def _decoded(head: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)("replace").decode(head)


def _spoilt(text: str) -> int:
    """Return how many characters are not of a text."""
    import unicodedata  # noqa: PLC0415 - needs a MiB, and few files are asked about

    return sum(
        count
        for character, count in Counter(text).items()
        if character == "\ufffd" or (unicodedata.category(character) in ("Cc", "Cn", "Cs") and character not in _BLANKS)
    )


def _ascii_encoding(head: bytes, encoding: str) -> str | None:
    """Return the encoding of text in Japanese, Korean or Chinese whose bytes are all ASCII."""
    if codecs.lookup(encoding).name.startswith(("iso2022", "hz")) or not head.isascii():
        return None
    # Few files have these bytes, so that the patterns are rarely compiled.
    if b"\x1b$" in head and (found := next((found for pattern, found in _ISO_2022 if re.search(pattern, head)), None)):
        return found
    lines = head[: head.rfind(b"\n") + 1] or head
    return "hz" if b"~{" in lines and lines.count(b"~{") == len(re.findall(_HZ, lines)) else None
