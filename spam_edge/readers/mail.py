"""Read a mail as a message: its subject, then its text, decoded."""

import codecs
import io
import re
from collections.abc import Callable, Iterator
from email.errors import (
    FirstHeaderLineIsContinuationDefect,
    InvalidBase64CharactersDefect,
    InvalidBase64LengthDefect,
    MissingHeaderBodySeparatorDefect,
)
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from typing import cast

from spam_edge.errors import InputError
from spam_edge.readers.extraction import BadRow, Message, Row, UnreadableText, checked_text
from spam_edge.readers.format_detection import SPLIT_MBOX
from spam_edge.readers.lines import CHUNK, LONGEST_LINE
from spam_edge.readers.mail_headers import FORWARDED, MailHeaders
from spam_edge.readers.markup import text_of_html
from spam_edge.readers.signatures import marked_encodings

LONGEST_MAIL = 2**26
"""Maximum size in bytes of a mail with its attachments."""
MOST_LINES = 2**20
"""Maximum number of lines of a mail: as many as one of that size has in base64."""
MOST_BOUNDARIES = 10_000
"""Maximum number of lines of a mail that may separate its parts. Each part takes memory, however short it is."""
DEEPEST = 10
"""Maximum number of mails within one another, of which each forwards the next."""
_MBOX = b"From "
_ENCRYPTED = {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
_PGP = re.compile(r"^-----BEGIN PGP MESSAGE\b", re.MULTILINE)
_READ = ["text/plain", "text/html"]
"""Content types of texts that are read, the preferred one first."""
_TNEF = {"application/ms-tnef", "application/vnd.ms-tnef"}
"""Content types in which Outlook wraps a whole mail, as an attachment."""
_UUENCODE = {"x-uuencode", "uuencode", "uue", "x-uue"}
_TRANSFER = {"", "7bit", "8bit", "binary", "quoted-printable", "base64", *_UUENCODE}
"""Transfer encodings that ``get_payload`` decodes; a text of another one comes back as it is."""
_NO_CHARSETS = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
"""Encodings of Python in which no mail is written; the time of punycode grows with the square of the length."""
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_ENCODED_WORD = re.compile(r"=\?[^?\s]+\?[bq]\?", re.IGNORECASE)
"""The beginning of an encoded word in a header."""
_BASE64_WORD = re.compile(r"=\?[^?\s]+\?b\?([^?]*)\?=", re.IGNORECASE)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3})?={0,2}")


def mail_rows(read: Callable[[int], bytes], *, name: str, encoding: str) -> Iterator[Row]:
    """Read a mail as one message; ``encoding`` is that of parts which name none.

    Raises:
        InputError: the file is an mbox, is UTF-16 or UTF-32, or begins without headers.
    """
    chunks, size = [], 0
    for chunk in iter(lambda: read(CHUNK), b""):
        chunks.append(chunk)
        size += len(chunk)
        if size > LONGEST_MAIL:
            yield BadRow(
                name, 1, f"the mail is longer than {LONGEST_MAIL:,} bytes; save it without attachments", "length"
            )
            return
    content = b"".join(chunks).removeprefix(codecs.BOM_UTF8)
    chunks.clear()
    if wide := next(iter(marked_encodings(content)), None):
        raise InputError(f"{name} is {wide.upper()}, unlike mails; convert it: iconv -f {wide} -t utf-8 FILE > NEW.eml")
    if content.startswith(_MBOX):
        raise InputError(f"{name} is an mbox; split it into one file per mail: {SPLIT_MBOX}")
    if not content.strip():
        yield None
        return
    try:
        text = _text(content, encoding)
    except UnreadableText as error:
        yield BadRow(name, 1, str(error), error.kind)
    except Exception as error:  # hostile mails make the parser raise errors of any kind
        yield BadRow(name, 1, f"the mail is malformed ({type(error).__name__}); save its text in a text file", "mail")
    else:
        if text is None:
            raise InputError(
                f"{name} does not begin with the headers of a mail; if it is a text: --input-format text --whole-file"
            )
        yield Message(text, name, 1) if text.strip() else None


def _text(content: bytes, encoding: str) -> str | None:
    """Return the subject and the texts, or ``None`` if there are no headers."""
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")  # as the parser does
    for sign, most, what in ((b"\n", MOST_LINES, "lines"), (b"\n--", MOST_BOUNDARIES, "lines that begin with --")):
        if content.count(sign) > most:
            raise UnreadableText(f"the mail has more than {most:,} {what}; save it without attachments", "length")
    mail = cast("EmailMessage", BytesParser(_class=EmailMessage, policy=MailHeaders()).parse(io.BytesIO(content)))
    if not mail.keys():
        return None
    texts = _shown(mail, encoding, 1)
    _check_length(sum(map(len, texts)))
    return checked_text("\n".join(texts))


def _check_length(length: int) -> None:
    if length > LONGEST_LINE:
        raise UnreadableText(f"the text is longer than {LONGEST_LINE:,} characters; save it in several files", "length")


def _shown(mail: EmailMessage, encoding: str, depth: int) -> list[str]:
    """Return the subject and the texts of a mail, the ``depth``-th of those that hold one another.

    Raises:
        UnreadableText: among others, if the mail has its text in a part of a type that is not read.
    """
    subject = _subject(mail, encoding)
    unread: list[MIMEPart] = []
    texts = _texts(mail, encoding, depth, unread)
    hidden = next((part for part in unread if part is mail or not _attached(part)), None)
    if not texts and hidden is not None:
        kind = hidden.get_content_type()
        if _raw(hidden, "content-type").lower().lstrip().startswith("message/"):  # renamed for the parser
            kind = kind.replace("application/", "message/")
        raise UnreadableText(f"the text of the mail is in {kind}, which is not read; save it as plain text", "mail")
    return [*filter(None, [subject]), *texts]


def _raw(part: MIMEPart, name: str) -> str:
    return next((str(value) for header, value in part.raw_items() if header.lower() == name), "")


def _subject(mail: EmailMessage, encoding: str) -> str:
    raw = _raw(mail, "subject")
    if raw.isascii():
        subject = str(mail["subject"] or "")
        words = ("".join(word.split()) for word in _BASE64_WORD.findall(raw))
        if "\ufffd" in subject or not all(map(_BASE64.fullmatch, words)):
            raise _undecodable()
    else:  # bytes without a charset
        try:
            subject = _FOLD.sub("", raw.encode("utf-8", "surrogateescape").decode(encoding))
        except UnicodeError as error:
            reason = f"the subject is not {encoding}; set the encoding with --encoding"
            raise UnreadableText(reason, "encoding") from error
    if _ENCODED_WORD.search(subject):
        raise _undecodable()
    return subject.strip()


def _undecodable() -> UnreadableText:
    return UnreadableText("the subject cannot be decoded; save the mail again, in UTF-8", "encoding")


def _texts(part: MIMEPart, encoding: str, depth: int, unread: list[MIMEPart]) -> list[str]:
    """Return the texts that a reader sees, in order: all inline ones, also of mails that are forwarded inline.

    Of alternatives, it is the plain one if it has text, else the first one that has. Parts of types that are not read
    are added to ``unread``.
    """
    _check_headers(part)
    kind = part.get_content_type()
    if kind in _ENCRYPTED:
        raise _encrypted()
    if kind in _READ:
        text = _decoded(part, encoding)
        text = text_of_html(text) if kind == "text/html" else text.strip()
        if _PGP.search(text):
            raise _encrypted()
        return list(filter(None, [text]))
    if kind in FORWARDED:
        return _forwarded(part, encoding, depth + 1)
    if part.get_content_maintype() != "multipart":
        unread.append(part)
        return []
    if not part.is_multipart():
        raise UnreadableText("the parts of the mail have no boundary that is declared; save the mail again", "mail")
    shown = [
        inner
        for inner in part.iter_parts()
        if inner.get_content_disposition() != "attachment" or inner.get_content_type() in _TNEF
    ]
    if kind != "multipart/alternative":
        return [text for inner in shown for text in _texts(inner, encoding, depth, unread)]
    shown.sort(key=lambda inner: [*_READ, inner.get_content_type()].index(inner.get_content_type()))
    return next(filter(None, (_texts(inner, encoding, depth, unread) for inner in shown)), [])


def _encrypted() -> UnreadableText:
    return UnreadableText("the mail is encrypted; save it decrypted", "encrypted")


def _attached(part: MIMEPart) -> bool:
    """Whether a part of a type that is not read goes with a text, and does not stand for it."""
    kind = part.get_content_type()
    if kind in _TNEF:
        return False
    media = part.get_content_maintype() in ("image", "audio", "video")
    return media or kind.endswith("-signature") or part.get_filename() is not None


def _check_headers(part: MIMEPart) -> None:
    """Check that no headers are lost, which would tell how the text is encoded.

    Raises:
        UnreadableText: a line among them is no header, or two of them contradict each other.
    """
    for defect in part.defects:
        if isinstance(defect, FirstHeaderLineIsContinuationDefect | MissingHeaderBodySeparatorDefect):
            body = part.preamble or _undecoded(part).decode("ascii", "surrogateescape")
            line = (str(defect) or body).strip().partition("\n")[0][:40]
            found = repr(line) if line else "a line"
            reason = f"{found} among the headers is no header; correct it, or save the mail again"
            raise UnreadableText(reason, "mail")
    for name in ("content-type", "content-transfer-encoding"):
        if len({str(value).partition(";")[0] for value in part.get_all(name, [])}) > 1:
            raise UnreadableText(f"two headers {name} contradict each other; save the mail again", "mail")


def _forwarded(part: MIMEPart, encoding: str, depth: int) -> list[str]:
    if depth > DEEPEST:
        raise UnreadableText(f"more than {DEEPEST} mails are forwarded within one another; save the last one", "mail")
    mail = next(part.iter_parts(), None)
    if not isinstance(mail, EmailMessage) or not mail.keys():  # perhaps it is encoded, which the standard forbids
        raise UnreadableText("a mail that is forwarded in it has no headers; save that one", "mail")
    return _shown(mail, encoding, depth)


def _decoded(part: MIMEPart, encoding: str) -> str:
    charset = part.get_content_charset()
    named = charset not in (None, "us-ascii", "ascii", "unknown-8bit")
    charset = charset if charset and named else encoding
    if (transfer := str(part.get("content-transfer-encoding", ""))) not in _TRANSFER:
        raise UnreadableText(f"the transfer encoding {transfer!r} is not known; save the mail again", "encoding")
    content = part.get_payload(decode=True)
    _check_length(len(content) if isinstance(content, bytes) else 0)
    if any(isinstance(defect, InvalidBase64CharactersDefect | InvalidBase64LengthDefect) for defect in part.defects):
        raise UnreadableText("the text is not valid base64; save the mail again", "encoding")
    if transfer in _UUENCODE and isinstance(content, bytes) and not _is_uuencoded(_undecoded(part), content):
        raise UnreadableText("the text is not valid uuencode; save the mail again", "encoding")
    try:
        return str(content, _known(charset)) if isinstance(content, bytes) else ""
    except (ValueError, LookupError) as error:
        if not named:
            reason = f"the text is not {encoding}, and the mail names no charset; set it with --encoding"
            raise UnreadableText(reason, "encoding") from error
        reason = "the charset of the text" if isinstance(error, UnicodeError) else "a known charset"
        raise UnreadableText(f"{charset} is not {reason}; save the mail again, in UTF-8", "encoding") from error


def _is_uuencoded(content: bytes, decoded: bytes) -> bool:
    """Whether all of a text was decoded; ``get_payload`` skips what is before, and returns others as they are."""
    content = content.strip()
    complete = content.startswith(b"begin ") and content.endswith(b"\nend")
    return not content or (complete and not decoded.startswith(b"begin "))


def _undecoded(part: MIMEPart) -> bytes:
    """Return the text as it is in the mail. The part forgets its transfer encoding."""
    del part["content-transfer-encoding"]
    content = part.get_payload(decode=True)  # without decode, Python applies any charset, also in quadratic time
    return content if isinstance(content, bytes) else b""


def _known(charset: str) -> str:
    if codecs.lookup(charset).name.replace("-", "_") in _NO_CHARSETS:
        raise LookupError
    return charset
