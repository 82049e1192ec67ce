"""Mails: subject and text are decoded with their charsets; unreadable mails are refused."""

import base64
import html
import io
import mailbox
import subprocess
import sys
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.errors import InputError
from spam_edge.readers import mail as mail_module
from spam_edge.readers import mail_headers
from spam_edge.readers.extraction import BadRow, Message, Row
from spam_edge.readers.mail import DEEPEST, mail_rows
from spam_edge.readers.windows import ReadOptions, check_readable, read_windows, size_of

HEADERS = b"Received: from mail.example.net\nFrom: Ann <ann@example.net>\nSubject: lunch\n"
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Zl", "Zp"]), min_size=1).filter(str.strip)


def row_of(content: bytes, encoding: str = "utf-8") -> Row:
    [row] = mail_rows(io.BytesIO(content).read, name="in", encoding=encoding)
    return row


def text_of(content: bytes, encoding: str = "utf-8") -> str:
    row = row_of(content, encoding)
    assert isinstance(row, Message)
    return row.text


def mixed(*parts: bytes, kind: bytes = b"mixed") -> bytes:
    """Return a mail of parts, of which each begins with its content type."""
    head = HEADERS + b"Content-Type: multipart/" + kind + b"; boundary=b\n\n"
    return head + b"".join(b"--b\nContent-Type: " + part + b"\n" for part in parts) + b"--b--\n"


def reason_of(content: bytes) -> str:
    row = row_of(content)
    assert isinstance(row, BadRow)
    return row.reason


def test_mail_subject_and_text_form_message() -> None:
    assert row_of(HEADERS + b"\nsee you at 5 then\n") == Message("lunch\nsee you at 5 then", "in", 1)
    assert text_of(b"From: ann\n\nhi\n") == "hi"
    assert text_of(b"Subject: hi\n\n") == "hi"
    assert row_of(b"From: ann\n\n") is None
    assert row_of(b" \n") is None


@given(subject=TEXTS, text=TEXTS, kind=st.sampled_from(["base64", "quoted-printable", "8bit"]), crlf=st.booleans())
def test_any_subject_and_text_survive_round_trip(subject: str, text: str, kind: str, crlf: bool) -> None:
    mail = EmailMessage(policy=policy.SMTPUTF8 if crlf else policy.default)
    mail["Subject"] = " ".join(subject.split())
    mail.set_content(text, charset="utf-8", cte=kind)
    message = text_of(mail.as_bytes())
    assert message.split() == [*subject.split(), *text.split()]


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1252", "utf-8", "utf-16"])
def test_declared_charsets_are_decoded(charset: str) -> None:
    body = base64.b64encode("caf\xe9 at 5".encode(charset))
    subject = base64.b64encode("caf\xe9".encode(charset)).decode()
    head = f"Subject: =?{charset}?b?{subject}?=\n"
    head += f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64\n\n"
    assert text_of(head.encode() + body) == "caf\xe9\ncaf\xe9 at 5"


def test_encoding_option_applies_without_declared_charset() -> None:
    for head in (b"", b"Content-Type: text/plain; charset=us-ascii\n"):
        mail = b"Subject: caf\xe9\n" + head + b"\nat caf\xe9 5\n"
        assert text_of(mail, "latin-1") == "caf\xe9\nat caf\xe9 5"
    assert "the subject is not utf-8; set the encoding with --encoding" in reason_of(mail)
    assert "the text is not utf-8, and the mail names no charset; set it with --encoding" in reason_of(
        b"Subject: hi\n\ncaf\xe9\n"
    )


@pytest.mark.parametrize(
    ("head", "body", "reason"),
    [
        (b"Content-Type: text/plain; charset=klingon\n", b"hi\xff", "klingon is not a known charset"),
        (b"Content-Type: text/plain; charset=utf-8\n", b"caf\xe9", "utf-8 is not the charset of the text"),
        (b"Content-Transfer-Encoding: base64\n", b"V0l*OTkV\nS\n", "the text is not valid base64"),
        (b"Content-Transfer-Encoding: base64\n", b"V0lOT\n", "the text is not valid base64"),
        (b"Content-Type: application/pkcs7-mime\n", b"x", "the mail is encrypted"),
        (b'Content-Type: multipart/encrypted; boundary="b"\n', b"--b\n\nhi\n--b--\n", "the mail is encrypted"),
    ],
)
def test_undecodable_or_encrypted_mail_is_bad_row(head: bytes, body: bytes, reason: str) -> None:
    assert reason in reason_of(HEADERS + head + b"\n" + body)


@pytest.mark.parametrize(
    "subject",
    [
        b"=?utf-8?Q?caf=E9_WINNER!!?=",
        b"=?us-ascii?Q?caf=E9?=",
        b"=?utf-8?B?####?=",
        b"=?utf-8?B?V0lO_TkVS?=",
        b"=?utf-8?b?V0lOT?=",
        b"=?utf-8?Q?WINNER",
        b"=?utf-8?Q?WINNER??=",
        b"caf\xc3\xa9 =?utf-8?Q?WINNER?=",
    ],
)
def test_undecodable_subject_is_bad_row(subject: bytes) -> None:
    assert "the subject cannot be decoded; save the mail again, in UTF-8" in reason_of(
        b"Subject: " + subject + b"\n\nok\n"
    )


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        (b"=?utf-8?B?V0lO\n TkVS?=", "WINNER"),
        (b"=?utf-8?B?V0k?= =?utf-8?B?Tg==?=", "WIN"),
        (b"=?utf-8?Q?caf=C3?=\n =?utf-8?Q?=A9?=", "caf\xe9"),  # a character is split
        (b"=?utf-8?Q?You have won?=", "You have won"),
        (b"=?nope?Q?WINNER?=", "WINNER"),
        (b"win =?", "win =?"),
    ],
)
def test_nonstandard_but_decodable_subject_is_read(subject: bytes, text: str) -> None:
    assert text_of(b"Subject: " + subject + b"\n\n") == text


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"this is not a header", "this is not a header"),
        (b"Content-Transfer-Encoding : base64", "Content-Transfer-Encoding : base64"),
        (b">From ann", ">From ann"),
        (b"caf\xe9 " + b"a" * 100, "caf\udce9 " + "a" * 35),
    ],
)
def test_malformed_header_line_is_bad_row_that_names_it(line: bytes, named: str) -> None:
    reason = f"{named!r} among the headers is no header; correct it, or save the mail again"
    kind = b"Content-Type: multipart/mixed; boundary=b\n"
    part = b"\n--b\n\nhi\n--b--\n"
    for content in (line + b"\nX: y\n\nV0lO\n", kind + line + b"\nX: y\n" + part):
        assert reason in reason_of(HEADERS + content)
    assert reason in reason_of(mixed(b"text/html\n" + line + b"\n\nV0lO\n"))
    assert text_of(mixed(b"text/plain\n\nhi\n", b"text/plain\nContent-Disposition: attachment\n" + line)) == "lunch\nhi"


def test_continuation_before_first_header_is_bad_row() -> None:
    assert "'Content-Transfer-Encoding: base64' among the headers is no header" in reason_of(
        b" Content-Transfer-Encoding: base64\nSubject: hi\n\nV0lO\n"
    )


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("Content-Transfer-Encoding", "7bit", "base64"), ("Content-Type", "text/plain", "text/html; charset=utf-8")],
)
def test_contradicting_headers_are_bad_row(name: str, first: str, second: str) -> None:
    def mail(*values: str) -> bytes:
        return HEADERS + "".join(f"{name}: {value}\n" for value in values).encode() + b"\nhi\n"

    assert f"two headers {name.lower()} contradict each other; save the mail again" in reason_of(mail(first, second))
    assert text_of(mail(first, first.upper())) == "lunch\nhi"


@pytest.mark.parametrize("head", [b"", b"Content-Type: text/html\n"])
def test_inline_pgp_message_is_bad_row_but_signed_text_is_read(head: bytes) -> None:
    armour = b"-----BEGIN PGP %s-----\n\nhi\n-----END PGP %s-----\n"
    if head:
        armour = b"<pre>\n" + armour.replace(b"\n", b"<br>\n")
    mail = HEADERS + head + b"\n" + armour
    assert "the mail is encrypted; save it decrypted" in reason_of(mail % (b"MESSAGE", b"MESSAGE"))
    assert "hi" in text_of(mail % (b"SIGNED MESSAGE", b"SIGNATURE"))
    assert text_of(HEADERS + b"\nit begins with -----BEGIN PGP MESSAGE-----\n")


class TestUnreadTypes:
    @pytest.mark.parametrize(
        "kind",
        [
            "message/partial",
            "message/external-body",
            "application/ms-tnef",
            "application/octet-stream",
            "application/pdf",
            "image/png",
            "text/rtf",
            "text/enriched",
            "text/calendar",
            "text/x-a",
        ],
    )
    def test_body_of_unread_type_is_bad_row_that_names_type(self, kind: str) -> None:
        reason = f"the text of the mail is in {kind}, which is not read; save it as plain text"
        body = b"\n\nSubject: x\n\nWINNER\n"
        for options in (b"", b'; name="a"'):
            assert reason in reason_of(HEADERS + b"Content-Type: " + kind.encode() + options + body)
        if not kind.startswith("image/"):
            assert reason in reason_of(mixed(b"text/plain\n\n\n", kind.encode() + body))
            assert reason in reason_of(mixed(b"text/plain\n\n\n", kind.encode() + body, kind=b"alternative"))

    @pytest.mark.parametrize("kind", ["image/png", "application/pdf; name=a.pdf", "text/x-vcard; name=a.vcf"])
    @pytest.mark.parametrize("disposition", ["attachment", "inline"])
    def test_attachment_beside_empty_text_is_ignored(self, kind: str, disposition: str) -> None:
        part = f"{kind}\nContent-Disposition: {disposition}\n\nAAAA\n".encode()
        assert text_of(mixed(b"text/plain\n\n\n", part)) == "lunch"

    @pytest.mark.parametrize("kind", [b"text/calendar", b"application/pdf", b"text/rtf", b"message/partial"])
    @pytest.mark.parametrize("outer", [b"mixed", b"alternative", b"related"])
    def test_unread_type_beside_text_is_ignored(self, kind: bytes, outer: bytes) -> None:
        for text in (b"text/plain\n\nhi\n", b"text/html\n\n<p>hi</p>\n"):
            assert text_of(mixed(text, kind + b"\n\nAAAA\n", kind=outer)) == "lunch\nhi"

    def test_outlook_attachment_without_text_beside_is_bad_row(self) -> None:
        part = b"application/ms-tnef; name=winmail.dat\nContent-Disposition: attachment\n\nAAAA\n"
        assert "is in application/ms-tnef, which is not read" in reason_of(mixed(b"text/plain\n\n\n", part))
        assert text_of(mixed(b"text/plain\n\nhi\n", part)) == "lunch\nhi"

    def test_signature_of_empty_mail_is_ignored(self) -> None:
        signature = b"application/pgp-signature\n\nAAAA\n"
        assert text_of(mixed(b"text/plain\n\n\n", signature, kind=b"signed")) == "lunch"

    def test_forwarded_mail_of_unread_type_is_bad_row(self) -> None:
        forward = b"message/rfc822\n\nSubject: prize\nContent-Type: text/rtf\n\nWINNER\n"
        assert "is in text/rtf, which is not read" in reason_of(mixed(b"text/plain\n\nsee below\n", forward))


@pytest.mark.parametrize("body", ["not uu", "WINNER\nbegin 644 a\n#86)C\n`\nend", "begin 644 a\n#86)C\n\n`\nend"])
def test_invalid_uuencode_is_bad_row(body: str) -> None:
    head = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: x-uuencode\n\n"
    assert "the text is not valid uuencode; save the mail again" in reason_of(HEADERS + (head + body).encode())
    assert text_of(HEADERS + head.encode() + b"begin 644 a\n#86)C\n`\nend\n") == "lunch\nabc"
    assert text_of(HEADERS + head.encode()) == "lunch"


def test_plain_text_is_preferred_over_html_and_attachments() -> None:
    mail = EmailMessage()
    mail["Subject"] = "hi"
    mail.set_content("plain")
    mail.add_alternative("<p>html</p>", subtype="html")
    mail.add_attachment("attached", filename="a.txt")
    assert text_of(mail.as_bytes()) == "hi\nplain"
    mail.get_body(("plain",)).set_content(" \n")  # type: ignore[union-attr]
    assert text_of(mail.as_bytes()) == "hi\nhtml"


def test_html_mail_gives_visible_text() -> None:
    page = (
        "<html><head><title>no</title><style>p {color: red}</style></head><body><p>WIN &amp; <b>call</b>\nnow</p>"
        "<script>no()</script><div>a<br>b</div><template>no</template><td>c</td></body></html>"
    )
    assert text_of(b"Content-Type: text/html\n\n" + page.encode()) == "WIN & call now\na\nb\nc"


@given(
    st.binary(max_size=200), st.sampled_from([b"", HEADERS, HEADERS + b"Content-Type: multipart/mixed; boundary=b\n\n"])
)
def test_arbitrary_bytes_give_row_or_input_error(content: bytes, head: bytes) -> None:
    try:
        row = row_of(head + content)
    except InputError as error:
        assert str(error).startswith("in ")
    else:
        assert row is None or isinstance(row, Message | BadRow)


@pytest.mark.parametrize(
    ("bound", "value", "content", "reason"),
    [
        ("LONGEST_MAIL", 100, b"\n" + b"a" * 200, "longer than 100 bytes; save it without attachments"),
        ("LONGEST_LINE", 100, b"\n" + b"a" * 101, "the text is longer than 100 characters"),
        ("LONGEST_LINE", 100, b"\n" + b"a" * 98, "the text is longer than 100 characters"),  # together with the subject
        ("MOST_LINES", 100, b"\n" + b"\r" * 101, "the mail has more than 100 lines; save it"),
        ("MOST_BOUNDARIES", 100, b"\n" + b"\n--" * 101, "the mail has more than 100 lines that begin with --; save it"),
        ("LONGEST_HEADER", 100, b"Content-Type: " + b";" * 101 + b"\n\nhi\n", "a header is longer than 100 characters"),
    ],
)
def test_mail_beyond_size_limits_is_bad_row(
    monkeypatch: pytest.MonkeyPatch, bound: str, value: int, content: bytes, reason: str
) -> None:
    assert row_of(HEADERS + b"\nhi\n") == Message("lunch\nhi", "in", 1)
    monkeypatch.setattr(mail_headers if bound == "LONGEST_HEADER" else mail_module, bound, value)
    assert reason in reason_of(HEADERS + content)


def test_long_ascii_subject_is_refused_and_raw_utf8_read() -> None:
    assert "a header is longer than 4,096 characters" in reason_of(b"Subject: " + b"a " * 30_000 + b"\n\nhi\n")
    assert len(text_of(b"Subject: " + "\xe4".encode() * 30_000 + b"\n\nhi\n")) == 30_003


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode-escape"])
def test_python_only_codecs_are_refused_as_charsets(charset: str) -> None:
    """Python decodes punycode in quadratic time."""
    head = f"Content-Type: text/plain; charset={charset}\n\n".encode()
    assert f"{charset} is not a known charset" in reason_of(HEADERS + head + b"a-" + b"a" * 1_000_000)


def test_delivery_status_part_is_ignored() -> None:
    """Python's parser makes a mail of each block that ends with a blank line."""
    status = b"message/delivery-status\n\n" + b"a: b\n\n" * 100
    assert text_of(mixed(b"text/plain\n\nfailed\n", status)) == "lunch\nfailed"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain (a)",
        "(a) text/plain",
        "text/plain charset=utf-8",
        "text / plain",
        '"text/plain"',
        "text",
    ],
)
def test_nonstandard_text_content_types_are_read_as_text(kind: str) -> None:
    assert text_of(HEADERS + f"Content-Type: {kind}\n\nWINNER\n".encode()) == "lunch\nWINNER"


@pytest.mark.parametrize("encoding", ["base64 ", "base64 (a)", "(a) base64", '"base64"', "\tBASE64;"])
def test_nonstandard_base64_headers_are_decoded(encoding: str) -> None:
    head = f"Content-Transfer-Encoding: {encoding}\n\n".encode()
    assert text_of(HEADERS + head + base64.b64encode(b"WINNER")) == "lunch\nWINNER"


def test_unknown_transfer_encoding_is_bad_row() -> None:
    assert "the transfer encoding 'base-64' is not known; save the mail again" in reason_of(
        HEADERS + b"Content-Transfer-Encoding: base-64\n\nV0lOTkVS\n"
    )


@pytest.mark.parametrize("kind", ["multipart/mixed (a); boundary=b", "(a) multipart/mixed; boundary=b"])
def test_header_comments_do_not_hide_mail_parts(kind: str) -> None:
    part = b"--b\nContent-Disposition: " + b"(" * 2_000 + b"\nContent-Transfer-Encoding: base64\n\nV0lOTkVS\n--b--\n"
    assert text_of(HEADERS + f"Content-Type: {kind}\n\n".encode() + part) == "lunch\nWINNER"


def forwarded(times: int, disposition: str = "inline") -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "prize"
    mail.set_content("WINNER call now")
    for number in range(times):
        inner, mail = mail, EmailMessage()
        mail["Subject"] = f"Fwd {number}"
        mail.set_content("see below")
        part = EmailMessage()
        part.set_content(inner, disposition=disposition)
        mail.make_mixed()
        mail.attach(part)
    return mail.as_bytes()


class TestForwardedMails:
    def test_inline_forwarded_mail_is_read(self) -> None:
        assert text_of(forwarded(1)) == "Fwd 0\nsee below\nprize\nWINNER call now"
        assert text_of(HEADERS + b"Content-Type: message/rfc822\n\nSubject: prize\n\nhi\n") == "lunch\nprize\nhi"

    def test_attached_forwarded_mail_is_ignored(self) -> None:
        assert text_of(forwarded(1, "attachment")) == "Fwd 0\nsee below"

    def test_mails_of_digest_are_read(self) -> None:
        part = b"--b\n\nSubject: prize\n\nhi\n"
        head = HEADERS + b"Content-Type: multipart/digest; boundary=b\n\n"
        assert text_of(head + part * 2 + b"--b--\n") == "lunch\nprize\nhi\nprize\nhi"

    def test_nesting_beyond_depth_limit_is_bad_row(self) -> None:
        assert text_of(forwarded(DEEPEST - 1)).endswith("\nprize\nWINNER call now")
        assert f"more than {DEEPEST} mails are forwarded within one another" in reason_of(forwarded(DEEPEST))

    @pytest.mark.parametrize("body", [b"", base64.b64encode(b"Subject: prize\n\nhi\n")])
    def test_forwarded_mail_without_headers_is_bad_row(self, body: bytes) -> None:
        head = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        assert "a mail that is forwarded in it has no headers; save that one" in reason_of(HEADERS + head + body)


def test_mail_without_headers_is_refused() -> None:
    with pytest.raises(InputError, match=r"headers of a mail; if it is a text: --input-format text --whole-file"):
        row_of(b"ok, call me\n\nsee you\n")


def test_utf8_byte_order_mark_is_dropped_and_utf16_refused() -> None:
    assert text_of(b"\xef\xbb\xbfSubject: hi\n\nsee you\n") == "hi\nsee you"
    for encoding in ("utf-16", "utf-32"):
        with pytest.raises(
            InputError, match=rf"in is {encoding.upper()}, unlike mails; convert it: iconv -f {encoding}"
        ):
            row_of("Subject: hi\n\nsee you\n".encode(encoding))


@pytest.mark.parametrize(("name", "whole"), [("a.eml", False), ("a.EML", True)])
def test_eml_suffix_selects_mail_format(tmp_path: Path, name: str, whole: bool) -> None:
    path = tmp_path / name
    path.write_bytes(HEADERS + b"\nsee you\n")
    [window] = read_windows(path, ReadOptions(whole_file=whole))
    assert [(message.text, message.line) for message in window.messages] == [("lunch\nsee you", 1)]
    assert size_of(path, ReadOptions()) is None


def test_mbox_is_refused_and_suggested_command_splits_file(tmp_path: Path) -> None:
    box = mailbox.mbox(str(tmp_path / "FILE"))
    for text in ("see you", "From here on"):
        mail = EmailMessage()
        mail["Subject"] = "hi"
        mail.set_content(text)
        box.add(mail)
    box.close()
    for reading in (ReadOptions(), ReadOptions(input_format="mail"), ReadOptions(whole_file=True)):
        with pytest.raises(InputError, match=r"FILE .*an mbox; split it into one file per mail: ") as caught:
            list(read_windows(tmp_path / "FILE", reading))
    command = str(caught.value).split("per mail: ")[1].split("; for a message")[0]
    subprocess.run(command.replace("python3", sys.executable), shell=True, cwd=tmp_path, check=True)
    texts = [next(read_windows(path, ReadOptions())).messages[0].text for path in sorted(tmp_path.glob("*.eml"))]
    assert [text.split("\n")[0] for text in texts] == ["hi", "hi"]
    assert "see you" in texts[0]


def test_maildir_is_refused_but_single_mails_are_read(tmp_path: Path) -> None:
    box = mailbox.Maildir(str(tmp_path / "box"))
    with pytest.raises(InputError, match=r"box is a Maildir; it has no mails"):
        check_readable(tmp_path / "box")
    box.add(HEADERS + b"\nsee you\n")
    with pytest.raises(InputError, match=r"box is a Maildir; name its mails: --input-format mail \S*/new/\*$"):
        check_readable(tmp_path / "box")
    [path] = (tmp_path / "box" / "new").iterdir()
    with pytest.raises(InputError, match="looks like a mail; read it with --input-format mail"):
        list(read_windows(path, ReadOptions()))
    [window] = read_windows(path, ReadOptions(input_format="mail"))
    assert window.messages[0].text == "lunch\nsee you"


@pytest.mark.parametrize(
    "content",
    [
        b'Content-Type: text/plain; charset="ut\0f"\n\nhi\n',
        b"".join(b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(1200)),
        b"Content-Type: text/html\n\n<p>hi &#" + b"9" * 5000 + b";",
    ],
    ids=["charset", "nesting", "reference"],
)
def test_hostile_mail_is_one_bad_row(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.eml"
    path.write_bytes(HEADERS + content)
    [window] = read_windows(path, ReadOptions())
    assert (len(window.bad), window.messages) == (1, [])


@pytest.mark.parametrize("head", [b"multipart/mixed", b"multipart/mixed; boundary=other", b"multipart/alternative"])
def test_multipart_without_declared_boundary_is_bad_row(head: bytes) -> None:
    content = HEADERS + b"Content-Type: " + head + b"\n\n--b\nContent-Type: text/plain\n\nWINNER call now\n--b--\n"
    assert "have no boundary that is declared" in reason_of(content)


@given(st.lists(st.tuples(TEXTS, st.sampled_from(["plain", "html"])), min_size=1, max_size=4))
def test_all_inline_text_parts_are_read(texts: list[tuple[str, str]]) -> None:
    mail = EmailMessage()
    mail["Subject"] = "hi"
    mail.make_mixed()
    for text, kind in texts:
        part = EmailMessage()
        part.set_content(html.escape(text) if kind == "html" else text, subtype=kind, charset="utf-8", cte="base64")
        part["Content-Disposition"] = "inline"
        mail.attach(part)
    assert text_of(mail.as_bytes()).split() == ["hi", *(word for text, _ in texts for word in text.split())]
