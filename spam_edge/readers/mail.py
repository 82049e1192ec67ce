"""Read a mail as a message: its subject, then its text, decoded."""

import codecs
import re
from collections.abc import Callable, Iterator
from email import policy
from email.errors import InvalidBase64CharactersDefect, InvalidBase64LengthDefect
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser

from spam_edge.errors import InputError
from spam_edge.readers.extraction import BadRow, Message, Row, UnreadableText, checked_text
from spam_edge.readers.format_detection import SPLIT_MBOX
from spam_edge.readers.lines import CHUNK
from spam_edge.readers.markup import text_of_html
from spam_edge.readers.signatures import marked_encodings

LONGEST_MAIL = 2**26
"""Maximum size in bytes of a mail with its attachments."""
_MBOX = b"From "
_ENCRYPTED = {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
_FOLD = re.compile(r"\r?\n(?=[ \t])")


def mail_rows(read: Callable[[int], bytes], *, name: str, encoding: str) -> Iterator[Row]:
    """Read a mail as one message; ``encoding`` is that of parts which name none.

    Raises:
        InputError: the file is an mbox, is UTF-16 or UTF-32, or begins without headers.
    """
    content = b""
    for chunk in iter(lambda: read(CHUNK), b""):
        content += chunk
        if len(content) > LONGEST_MAIL:
            yield BadRow(
                name, 1, f"the mail is longer than {LONGEST_MAIL:,} bytes; save it without attachments", "length"
            )
            return
    content = content.removeprefix(codecs.BOM_UTF8)
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
    mail = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(content)
    if not mail.keys():
        return None
    return checked_text("\n".join(filter(None, (_subject(mail, encoding), *_texts(mail, encoding)))))


def _subject(mail: EmailMessage, encoding: str) -> str:
    raw = next((str(value) for header, value in mail.raw_items() if header.lower() == "subject"), "")
    if raw.isascii():
        return str(mail["subject"] or "").strip()
    try:  # bytes without a charset
        return _FOLD.sub("", raw.encode("utf-8", "surrogateescape").decode(encoding)).strip()
    except UnicodeError as error:
        raise UnreadableText(f"the subject is not {encoding}; set the encoding with --encoding", "encoding") from error


def _texts(part: MIMEPart, encoding: str) -> list[str]:
    """Return the texts that a reader sees, in order: all inline ones; of alternatives, the plain one if it has text."""
    kind = part.get_content_type()
    if kind in _ENCRYPTED:
        raise UnreadableText("the mail is encrypted; save it decrypted", "encrypted")
    if kind == "text/plain":
        return list(filter(None, [_decoded(part, encoding).strip()]))
    if kind == "text/html":
        return list(filter(None, [text_of_html(_decoded(part, encoding))]))
    if part.get_content_maintype() != "multipart":
        return []
    if not part.is_multipart():
        raise UnreadableText("the parts of the mail have no boundary that is declared; save the mail again", "mail")
    shown = [inner for inner in part.iter_parts() if not inner.is_attachment()]
    if kind != "multipart/alternative":
        return [text for inner in shown for text in _texts(inner, encoding)]
    shown.sort(key=lambda inner: inner.get_content_type() != "text/plain")
    return next(filter(None, (_texts(inner, encoding) for inner in shown)), [])


def _decoded(part: MIMEPart, encoding: str) -> str:
    charset = part.get_content_charset()
    named = charset not in (None, "us-ascii", "ascii", "unknown-8bit")
    charset = charset if charset and named else encoding
    content = part.get_payload(decode=True)
    if any(isinstance(defect, InvalidBase64CharactersDefect | InvalidBase64LengthDefect) for defect in part.defects):
        raise UnreadableText("the text is not valid base64; save the mail again", "encoding")
    try:
        return str(content, charset) if isinstance(content, bytes) else ""
    except (ValueError, LookupError) as error:
        if not named:
            reason = f"the text is not {encoding}, and the mail names no charset; set it with --encoding"
            raise UnreadableText(reason, "encoding") from error
        reason = "the charset of the text" if isinstance(error, UnicodeError) else "a known charset"
        raise UnreadableText(f"{charset} is not {reason}; save the mail again, in UTF-8", "encoding") from error
