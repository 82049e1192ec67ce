"""Byte order marks, NUL bytes, binary files and the line ends of old Macs."""

import codecs
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.errors import InputError
from spam_edge.readers.extraction import BadRow, Message, Row
from spam_edge.readers.formats import csv_rows, jsonl_rows, text_rows, whole_rows
from spam_edge.readers.lines import LineSource
from spam_edge.readers.signatures import check_text
from spam_edge.readers.windows import ReadOptions, read_windows

BYTE_ORDER_MARKS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
LINES = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n\ufeff"), min_size=1).filter(str.strip)


def source(content: bytes, *, encoding: str = "utf-8", size: int = 1 << 16, whole: bool = False) -> LineSource:
    stream = io.BytesIO(content)
    return LineSource(lambda _: stream.read(size), name="in", encoding=encoding, whole=whole)


@pytest.mark.parametrize("encoding", BYTE_ORDER_MARKS)
@given(text=LINES, size=st.integers(1, 5))
def test_file_with_byte_order_mark_requires_matching_encoding(encoding: str, text: str, size: int) -> None:
    """The encoding may be given with or without its byte order. The error names the right encoding."""
    content = BYTE_ORDER_MARKS[encoding] + (text + "\n").encode(encoding)
    family = encoding.removesuffix("-le").removesuffix("-be")
    for name in {encoding, family}:
        assert list(text_rows(source(content, encoding=name, size=size))) == [Message(text, "in", 1)]
    for name in {"utf-8", "utf-16", "utf-32", "latin-1", "cp1252"} - {family}:
        with pytest.raises(InputError, match=f"in looks like {family.upper()}; use --encoding {family}"):
            list(text_rows(source(content, encoding=name, size=size)))


def test_mark_of_opposite_byte_order_is_refused() -> None:
    with pytest.raises(InputError, match="looks like UTF-16"):
        next(source("hi\n".encode("utf-16"), encoding="utf-16-be"))


def test_byte_order_mark_is_not_part_of_column_name() -> None:
    content = codecs.BOM_UTF8 * 2 + b"id,text\n1,hi\n"
    assert list(csv_rows(source(content), None)) == [Message("hi", "in", 2)]
    assert list(jsonl_rows(source(codecs.BOM_UTF8 + b'{"text": "hi"}'), None)) == [Message("hi", "in", 1)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_decoding_error_names_file_and_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello there\n\xff")
    with pytest.raises(InputError, match=rf"a\.txt is not {encoding} \(.*\); set another --encoding"):
        list(read_windows(tmp_path / "a.txt", ReadOptions(encoding=encoding)))


@pytest.mark.parametrize(("encoding", "order"), [("utf-16-le", "le"), ("utf-16-be", "be")])
def test_utf16_without_byte_order_mark_is_refused(encoding: str, order: str) -> None:
    with pytest.raises(InputError, match=f"looks like UTF-16 .*without a mark; use --encoding utf-16-{order}"):
        next(source("see you at 5\n".encode(encoding)))
    assert list(source("see you\n".encode(encoding), encoding=encoding)) == ["see you\n"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["привет, как дела?\r\n", "да\n", "שלום לך\n"])
def test_non_latin_utf16_without_byte_order_mark_is_refused(encoding: str, text: str) -> None:
    with pytest.raises(InputError, match=f"without a mark; use --encoding {encoding}"):
        next(source(text.encode(encoding)))


@pytest.mark.parametrize("text", ["%PDF-1 hi", "%PDF-1.7 or not", "%PDF-files"])
def test_text_that_begins_like_pdf_is_read(text: str) -> None:
    assert list(text_rows(source(text.encode()))) == [Message(text, "in", 1)]


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (b"PK\x03\x04abc_chat.txt", "ZIP archive .*; unpack it"),
        (b"PK\x05\x06\0\0", "ZIP archive .*; unpack it"),
        (b"PK\x03\x04[Content_Types].xml\0xl/workbook.xml", "Excel workbook; save the sheet as CSV"),
        (b"PK\x03\x04[Content_Types].xml\0word/document.xml", "Word document; copy its text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Office file; save it as text, a sheet as CSV"),
        (b"BZh91AY&SY\0", "bzip2; unpack it"),
        (b"\xfd7zXZ\0\0", "xz; unpack it"),
        (b"\x04\x22\x4d\x18d@", "lz4; unpack it"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "an archive; unpack it"),
        (b"Rar!\x1a\x07\x01\0", "an archive; unpack it"),
        (b"a.txt".ljust(257, b"\0") + b"ustar\x0000", "an archive; unpack it"),
        (b"ANDROID BACKUP\n5\n1\nnone\nx", "Android; export its messages"),
        (b"ORC\n\x06\x12\0\x08", "ORC; write it as Parquet"),
        (b"Obj\x01\x04\x14avro.codec", "Avro; write it as JSON Lines"),
        (b"ARROW1\0\0\xff\xff\xff\xff", "Feather; write it as Parquet"),
        (b"\xff\xff\xff\xffp\0\0\0\x10\0\0\0\0\0\n\0", "Arrow .*; write it as Parquet"),
        (b"\x1f\x8babc", r"gzip; .*\.gz"),
        (b"\x28\xb5\x2f\xfdabc", "zstd"),
        (b"PAR1\x15\x04", "--input-format parquet"),
        (b"%PDF-1.7", "PDF"),
        (b"%PDF-1.7\r\n%", "PDF"),
        (b"\n\n%PDF-1.4\n1 0 obj", "PDF"),
        (b"\x7fELF\x01\0", "; use text, CSV"),
        (b"\x7fELF\x02\x01\x01" + bytes(9), "; use text, CSV"),
        (b"MZ\x90\0\x03\0\0\0", "; use text, CSV"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "; use text, CSV"),
        (b"bplist00\xd1\x01\x02" + bytes(30), "; use text, CSV"),
    ],
)
def test_binary_files_are_refused_with_remedy(content: bytes, remedy: str) -> None:
    with pytest.raises(InputError, match=f"in is a binary file.*{remedy}"):
        next(source(content))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "cp1252"])
@pytest.mark.parametrize("content", [b"ARROW1\0\0" + bytes(8), b"\x04\x22\x4d\x18d@", bytes(16) + b"T-DB" + bytes(40)])
def test_binary_file_is_refused_in_any_encoding(encoding: str, content: bytes) -> None:
    with pytest.raises(InputError, match="in is a binary file"):
        next(source(content, encoding=encoding))


def test_nul_character_makes_only_its_line_of_utf16_bad() -> None:
    bad, good = text_rows(source("he\0llo\nhi\n".encode("utf-16-le"), encoding="utf-16-le"))
    assert isinstance(bad, BadRow)
    assert good == Message("hi", "in", 2)


def test_letter_of_utf16_that_is_like_signature_is_read() -> None:
    assert list(source("\u1f8b\n".encode("utf-16-be"), encoding="utf-16-be")) == ["\u1f8b\n"]


@pytest.mark.parametrize("encoding", ["utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["see you at 5\n", "привет\n", "こんにちは\n"])
def test_utf32_without_byte_order_mark_is_refused(encoding: str, text: str) -> None:
    with pytest.raises(InputError, match=f"looks like UTF-32 without a mark; use --encoding {encoding}"):
        next(source(text.encode(encoding)))
    assert list(source(text.encode(encoding), encoding=encoding)) == [text]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("こんにちは, 5\n", "iso-2022-jp"), ("안녕하세요\n", "iso-2022-kr"), ("id,text\n1,你好\n", "hz")],
)
def test_encoding_of_ascii_bytes_is_refused_by_name(text: str, encoding: str) -> None:
    content = text.encode(encoding)
    for other in ("utf-8", "cp1252"):
        with pytest.raises(InputError, match=f"looks like {encoding.upper()}; use --encoding {encoding}"):
            next(source(content, encoding=other))
    assert "".join(source(content, encoding=encoding)) == text


@pytest.mark.parametrize(
    "text", ["\x1b[31mred\x1b[0m", "~{cool~}", "~{hi}~ ~{AB~}", "~{", "BZh", "ORC wins", "Obj", "Rar!", "MZ", "PK"]
)
def test_text_that_begins_like_other_encoding_or_binary_file_is_read(text: str) -> None:
    assert list(text_rows(source(text.encode()))) == [Message(text, "in", 1)]


@pytest.mark.parametrize("before", [0, 100_000])
@pytest.mark.parametrize(
    ("rows", "header", "good", "line"),
    [
        (text_rows, "", "hi\n", "he\0llo\n"),
        (lambda lines: csv_rows(lines, None), "id,text\n", "1,hi\n", "2,he\0llo\n"),
        (lambda lines: csv_rows(lines, None), "id,text\n", "1,hi\n", '2,"a\nhe\0llo"\n'),
        (lambda lines: jsonl_rows(lines, None), "", '{"text": "hi"}\n', '{"text": "he\0llo"}\n'),
    ],
)
def test_nul_byte_makes_only_its_row_bad(
    rows: Callable[[LineSource], Iterator[Row]], header: str, good: str, line: str, before: int
) -> None:
    start = header + good + "\n" * before  # beyond the first chunk
    first, bad, last = (row for row in rows(source((start + line + good).encode())) if row)
    place, nul = start.count("\n") + 1, (start + line).count("\n")
    reason = f"line {nul} has a NUL byte; remove it"
    assert bad == BadRow("in", place, reason, "encoding")
    assert [first, last] == [Message("hi", "in", header.count("\n") + 1), Message("hi", "in", nul + 1)]


def test_nul_byte_makes_whole_file_bad() -> None:
    [row] = whole_rows(source(b"Dear\nhe\0llo\n", whole=True))
    assert isinstance(row, BadRow)
    assert "line 2 has a NUL byte" in row.reason


@pytest.mark.parametrize(
    "rows", [text_rows, lambda lines: jsonl_rows(lines, None), lambda lines: csv_rows(lines, None)]
)
@pytest.mark.parametrize("content", [b"id,text\r1,hello\r2,free prize\r", b"hello\rfree prize", b"a\rb\n", b"a\rb\r\n"])
def test_carriage_return_line_ends_are_refused(rows: object, content: bytes) -> None:
    try:
        [row] = rows(source(content))  # type: ignore[operator]
        reason = row.reason
    except InputError as error:
        reason = str(error)
    assert r"old Macs; convert them: tr '\r' '\n' < FILE > NEW" in reason


def test_carriage_return_within_message_is_kept() -> None:
    assert list(text_rows(source(b"a\rb\nc\r\nd\r"))) == [
        Message("a\rb", "in", 1), Message("c", "in", 2), Message("d", "in", 3)
    ]  # fmt: skip
    assert list(text_rows(source(b"d\r"))) == [Message("d", "in", 1)]
    assert list(whole_rows(source(b"Dear\rsir\r", whole=True))) == [Message("Dear\rsir", "in", 1)]


def test_whole_file_with_carriage_returns_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"Dear\rsir")
    [window] = read_windows(tmp_path / "a.txt", ReadOptions(whole_file=True))
    assert [message.text for message in window.messages] == ["Dear\rsir"]


@given(st.text(st.characters(codec="utf-8")), st.sampled_from(["utf-8", "cp1252", "utf-16"]))
def test_text_is_not_taken_for_binary_file(text: str, encoding: str) -> None:
    """A NUL byte beside other control characters, or many NUL bytes, make a file binary."""
    content = text.encode(encoding, "ignore")
    try:
        check_text(content, "in", encoding)
    except InputError:
        marks = ("\0", "\x1b", "~{", "%PDF")
        assert any(mark in text for mark in marks) or text[:1] in ("\x1f", "\ufeff", "\x04", *"PSBAO(")
