"""Read a mail as a message: its subject, then its text, decoded."""

import codecs
import io
import re
from collections.abc import Callable, Iterator
from email.errors import InvalidBase64CharactersDefect, InvalidBase64LengthDefect
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from typing import cast

from spam_edge.errors import InputError
from spam_edge.readers.extraction import BadRow, Message, Row, UnreadableText, checked_text
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
_TRANSFER = {"", "7bit", "8bit", "binary", "quoted-printable", "base64", "x-uuencode", "uuencode", "uue", "x-uue"}
"""Transfer encodings that ``get_payload`` decodes; a text of another one comes back as it is."""
_NO_CHARSETS = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem"}
"""Encodings of Python in which no mail is written; the time of punycode grows with the square of the length."""
_FOLD = re.compile(r"\r?\n(?=[ \t])")
SPLIT_MBOX = (
    'python3 -c "import mailbox; '
    "[open(f'{n}.eml', 'wb').write(bytes(m)) for n, m in enumerate(mailbox.mbox('FILE'))]\""
)
"""Command that writes each mail of an mbox to a file of its own."""


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
    """Return the subject and the texts of a mail, the ``depth``-th of those that hold one another."""
    return [*filter(None, [_subject(mail, encoding)]), *_texts(mail, encoding, depth)]


def _subject(mail: EmailMessage, encoding: str) -> str:
    raw = next((str(value) for header, value in mail.raw_items() if header.lower() == "subject"), "")
    if raw.isascii():
        return str(mail["subject"] or "").strip()
    try:  # bytes without a charset
        return _FOLD.sub("", raw.encode("utf-8", "surrogateescape").decode(encoding)).strip()
    except UnicodeError as error:
        raise UnreadableText(f"the subject is not {encoding}; set the encoding with --encoding", "encoding") from error


def _texts(part: MIMEPart, encoding: str, depth: int) -> list[str]:
    """Return the texts that a reader sees, in order: all inline ones, also of mails that are forwarded inline.

    Of alternatives, it is the plain one if it has text, else the first one that has.
    """
    kind = part.get_content_type()
    if kind in _ENCRYPTED:
        raise UnreadableText("the mail is encrypted; save it decrypted", "encrypted")
    if kind == "text/html":
        return list(filter(None, [text_of_html(_decoded(part, encoding))]))
    if part.get_content_maintype() == "text":  # of unknown kinds, too: the standard takes them for plain
        return list(filter(None, [_decoded(part, encoding).strip()]))
    if kind in FORWARDED:
        return _forwarded(part, encoding, depth + 1)
    if part.get_content_maintype() != "multipart":
        return []
    if not part.is_multipart():
        raise UnreadableText("the parts of the mail have no boundary that is declared; save the mail again", "mail")
    shown = [inner for inner in part.iter_parts() if inner.get_content_disposition() != "attachment"]
    if kind != "multipart/alternative":
        return [text for inner in shown for text in _texts(inner, encoding, depth)]
    wanted = ["text/plain", "text/html"]
    shown.sort(key=lambda inner: [*wanted, inner.get_content_type()].index(inner.get_content_type()))
    return next(filter(None, (_texts(inner, encoding, depth) for inner in shown)), [])


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
    try:
        return str(content, _known(charset)) if isinstance(content, bytes) else ""
    except (ValueError, LookupError) as error:
        if not named:
            reason = f"the text is not {encoding}, and the mail names no charset; set it with --encoding"
            raise UnreadableText(reason, "encoding") from error
        reason = "the charset of the text" if isinstance(error, UnicodeError) else "a known charset"
        raise UnreadableText(f"{charset} is not {reason}; save the mail again, in UTF-8", "encoding") from error


def _known(charset: str) -> str:
    if codecs.lookup(charset).name.replace("-", "_") in _NO_CHARSETS:
        raise LookupError
    return charset
