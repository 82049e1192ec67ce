"""Readers: windows, formats, encodings, bad rows and unreadable files."""

import csv
import encodings.aliases
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.errors import InputError, OptionError
from spam_edge.readers import lines as lines_module
from spam_edge.readers import windows as windows_module
from spam_edge.readers.extraction import BadRow, Message
from spam_edge.readers.formats import csv_rows, jsonl_rows, text_rows, whole_rows
from spam_edge.readers.lines import LineSource
from spam_edge.readers.windows import WINDOW, ReadOptions, Window, display_name, read_windows, size_of

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)  # a NUL byte marks a binary file
LINES = TEXTS.filter(lambda text: text.strip() and "\n" not in text and not text.endswith("\r"))


def pieces(*chunks: bytes) -> Callable[[int], bytes]:
    """Return a ``read(n)`` function that ignores n and returns these chunks in turn."""
    left = iter(chunks)
    return lambda _: next(left, b"")


def source(*chunks: bytes, encoding: str = "utf-8") -> LineSource:
    return LineSource(pieces(*chunks), name="in", encoding=encoding)


def read(path: Path, **options: object) -> Window:
    """Read a file and merge its windows into one."""
    merged = Window()
    for window in read_windows(path, ReadOptions(**options)):  # type: ignore[arg-type]
        merged.messages += window.messages
        merged.bad += window.bad
        merged.blank += window.blank
        merged.bytes += window.bytes
    return merged


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def numbered_texts(window: Window) -> list[tuple[int, str]]:
    return [(message.line, message.text) for message in window.messages]


class TestLines:
    def test_line_is_ready_only_when_complete(self) -> None:
        lines = source(b"one\ntwo\nthr", b"ee\n")
        assert not lines.ready
        assert next(lines) == "one\n"
        assert lines.ready
        assert next(lines) == "two\n"
        assert not lines.ready
        assert next(lines) == "three\n"
        assert lines.position == len(b"one\ntwo\nthree\n")

    @given(TEXTS, st.lists(st.integers(1, 7)))
    def test_lines_do_not_depend_on_chunk_sizes(self, text: str, sizes: list[int]) -> None:
        stream = io.BytesIO(text.encode())
        cut = [chunk for size in sizes if (chunk := stream.read(size))]
        expected = list(source(text.encode()))
        assert list(source(*cut, stream.read())) == expected
        assert "".join(expected) == text.lstrip("\ufeff")

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "gb18030"])
    def test_characters_split_across_chunks_are_decoded(self, encoding: str) -> None:
        data = "früh\nspät 你好\n".encode(encoding)
        assert list(source(*(bytes([byte]) for byte in data), encoding=encoding)) == ["früh\n", "spät 你好\n"]

    def test_invalid_bytes_make_only_one_line_bad(self) -> None:
        lines = source(b"good\nf\xfcr\nalso good\n")
        assert next(lines) == "good\n"
        assert lines.take_fault() is None
        next(lines)
        fault = lines.take_fault()
        assert fault is not None
        assert "byte 0xfc at position 2 of line 2 is not utf-8" in fault.reason
        assert "--encoding" in fault.reason
        assert fault.kind == "encoding"
        assert next(lines) == "also good\n"
        assert lines.take_fault() is None

    def test_invalid_utf16_makes_only_one_line_bad(self) -> None:
        lines = source("a\n".encode("utf-16-le") + b"b\0\x41\xd8\n\0" + "c\n".encode("utf-16-le"), encoding="utf-16-le")
        rows = list(text_rows(lines))
        assert [type(row) for row in rows] == [Message, BadRow, Message]
        assert "position 3 of line 2 is not utf-16-le" in rows[1].reason  # type: ignore[union-attr]

    def test_end_of_stream_is_read_only_once(self) -> None:
        ends = iter([b"one\n", b""])
        lines = LineSource(lambda _: next(ends), name="terminal")
        assert [*lines, *lines] == ["one\n"]

    @pytest.mark.parametrize("end", [b"", b"\n", b"\nfine\n"])
    def test_too_long_line_makes_only_itself_bad(self, monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
        monkeypatch.setattr(lines_module, "LONGEST_LINE", 100)
        rows = list(text_rows(source(b"x" * 99 + b"\n", b"x" * 60, b"y" * 60, b"z" * 60 + end)))
        reason = "line 2 is longer than 100 characters; give one message per line or set the format with --input-format"
        assert rows[:2] == [Message("x" * 99, "in", 1), BadRow("in", 2, reason, "length")]
        assert rows[2:] == ([Message("fine", "in", 3)] if b"fine" in end else [])

    def test_too_long_line_is_skipped_with_bounded_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lines_module, "LONGEST_LINE", 100_000)
        tracemalloc.start()
        [row] = text_rows(LineSource(pieces(*[b"x" * 65_536] * 1000), name="in"))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(row, BadRow)
        assert peak < 1_000_000

    def test_too_long_record_makes_only_itself_bad(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("spam_edge.readers.delimited.LONGEST_LINE", 100)
        many = b'"a\na",' * 20 + b"b\n"
        rows = list(csv_rows(source(b"text\nfine\n" + many + b"also fine\n"), None))
        assert rows[0] == Message("fine", "in", 2)
        assert rows[-1] == Message("also fine", "in", 24)
        assert isinstance(rows[1], BadRow)
        assert "the record is longer than 100 characters" in rows[1].reason

    @pytest.mark.parametrize(
        ("data", "remedy"),
        [(b"\x7fELF\0\0", "binary file"), ("hello".encode("utf-16"), "--encoding utf-16"), (b"\x1f\x8b\0", "binary")],
    )
    def test_binary_data_is_refused_with_remedy(self, data: bytes, remedy: str) -> None:
        with pytest.raises(InputError, match=remedy):
            next(source(data))


class TestText:
    def test_line_numbers_are_kept_across_blank_lines(self, tmp_path: Path) -> None:
        window = read(write(tmp_path / "a.txt", "one\n\n  \t\nfour\r\n\r\nsix"))
        assert numbered_texts(window) == [(1, "one"), (4, "four"), (6, "six")]
        assert window.blank == 3
        assert window.messages[0].file == str(tmp_path / "a.txt")

    def test_only_line_feeds_end_lines(self, tmp_path: Path) -> None:
        text = "a\x0bb\x0cc\x1cd\x85e\u2028f\rg"
        assert numbered_texts(read(write(tmp_path / "a.txt", text + "\nnext\n"))) == [(1, text), (2, "next")]

    def test_utf8_byte_order_mark_is_dropped(self, tmp_path: Path) -> None:
        assert numbered_texts(read(write(tmp_path / "a.txt", b"\xef\xbb\xbfhello\n"))) == [(1, "hello")]

    @pytest.mark.parametrize("content", ["", "\n", "\n\n \n"])
    def test_blank_file_gives_no_messages(self, tmp_path: Path, content: str) -> None:
        assert read(write(tmp_path / "a.txt", content)).messages == []

    def test_encoding_option_decodes_cp1252_file(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.txt", "für 5 €\n".encode("cp1252"))
        assert numbered_texts(read(path, encoding="cp1252")) == [(1, "für 5 €")]
        bad = read(path).bad
        assert [(row.line, row.file) for row in bad] == [(1, str(path))]

    def test_whole_file_option_gives_one_message(self, tmp_path: Path) -> None:
        assert numbered_texts(read(write(tmp_path / "a.csv", "Dear\r\n\r\nsir\n"), whole_file=True)) == [
            (1, "Dear\r\n\r\nsir")
        ]
        assert read(write(tmp_path / "b.txt", " \n"), whole_file=True).blank == 1

    def test_whole_file_with_invalid_bytes_is_one_bad_row(self, tmp_path: Path) -> None:
        window = read(write(tmp_path / "a.txt", b"Dear\ns\xefr\n"), whole_file=True)
        assert window.messages == []
        assert "position 2 of line 2" in window.bad[0].reason

    def test_whole_file_above_length_limit_is_bad_row(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("spam_edge.readers.formats.LONGEST_LINE", 10)
        reason = "the file is longer than 10 characters; split it into messages"
        assert list(whole_rows(source(b"12345\n67890\n"))) == [BadRow("in", 1, reason, "length")]

    @given(st.lists(LINES))
    def test_written_lines_are_read_back(self, texts: list[str]) -> None:
        rows = list(text_rows(source("".join(text + "\n" for text in ["", *texts]).encode())))
        assert rows == [None, *(Message(text, "in", line) for line, text in enumerate(texts, start=2))]


class TestTables:
    @pytest.mark.parametrize(
        ("header", "column"),
        [("id,text", None), ("id,Message", None), ("id, SMS ", None), ("id,v2", "v2"), ("text,v2", "v2")],
    )
    def test_text_column_is_detected_or_named(self, tmp_path: Path, header: str, column: str | None) -> None:
        path = write(tmp_path / "a.csv", f"{header}\n1,hello\n")
        assert numbered_texts(read(path, text_column=column)) == [(2, "hello")]

    @pytest.mark.parametrize(
        "table",
        [
            "WINNER!! Call 09061701461\nhi\n",
            "see you at five\nhi\n",
            *(f"id{sign}text\n1{sign}see you\n" for sign in ":^~\1"),
            "sep=,\nid;text\n1;see you\n",
        ],
    )
    def test_only_column_that_is_no_name_is_refused(self, tmp_path: Path, table: str) -> None:
        path = write(tmp_path / "a.csv", table)
        with pytest.raises(InputError, match="looks like a message or has another delimiter; add a header, or set"):
            read(path)
        name = table.removeprefix("sep=,\n").splitlines()[0]
        assert len(read(path, text_column=name).messages) == 1  # chosen by the user

    @pytest.mark.parametrize("input_format", ["text", "mail"])
    def test_text_column_of_format_without_columns_is_refused(self, tmp_path: Path, input_format: str) -> None:
        with pytest.raises(InputError, match="--text-column is for tables; set --input-format, or leave it out"):
            read(write(tmp_path / "a.txt", "see you\n"), text_column="body", input_format=input_format)

    def test_single_column_is_text_column(self, tmp_path: Path) -> None:
        assert numbered_texts(read(write(tmp_path / "a.csv", "v2\nhello\n\nyou\n"))) == [(2, "hello"), (4, "you")]

    @pytest.mark.parametrize(
        ("content", "column", "reason"),
        [
            ("a,b\n1,2\n", None, "no text column found; .* 'a', 'b'"),
            ("text,message\n1,2\n", None, "more than one text column found; .*--text-column"),
            ("a,b\n1,2\n", "c", "there is no column 'c'; --text-column takes one of: 'a', 'b'"),
            ("", None, "is empty; a header row"),
            ("\n\n", None, "is empty; a header row"),
            ('a,"b\n', None, "header row is invalid CSV"),
            (b"a,t\xffxt\n", None, "position 4 of line 1"),
            (",".join(f"column {n}" * 9 for n in range(30)), None, r"'\.\.\.|\.\.\.', \.\.\."),
        ],
    )
    def test_unusable_header_or_column_is_refused(
        self, tmp_path: Path, content: str | bytes, column: str | None, reason: str
    ) -> None:
        path = write(tmp_path / "a.csv", content)
        with pytest.raises(InputError, match=rf"a\.csv.*({reason})"):
            read(path, text_column=column)

    def test_records_with_quoted_newlines_keep_first_line_number(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", 'text,n\r\n"two\r\nlines, here",1\r\n\r\n"he said ""win""",2\r\nlast,3')
        assert numbered_texts(read(path)) == [(2, "two\r\nlines, here"), (5, 'he said "win"'), (6, "last")]

    def test_malformed_rows_make_only_themselves_bad(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", b'text,n\none\none,2,3\n"a"b,1\nf\xfcr,1\nc\rd,1\nfine,1\n"open,1\n')
        window = read(path)
        assert numbered_texts(window) == [(7, "fine")]
        assert [row.line for row in window.bad] == [2, 3, 4, 5, 6, 8]
        assert window.bad[0].reason == "1 fields where the header has 2"
        assert "invalid CSV" in window.bad[2].reason
        assert "position 2 of line 5" in window.bad[3].reason

    def test_lines_after_unclosed_quote_are_not_messages(self, tmp_path: Path) -> None:
        """The lines may be the rest of a long cell."""
        path = write(tmp_path / "a.csv", 'text,n\n"open,1\n' + "fine,2\n" * 40_000)
        window = read(path)
        assert window.messages == []
        assert [row.hides for row in window.bad] == [True]
        assert "in the lines 2 to 40,002: is a quote not closed?" in window.bad[0].reason

    def test_tsv_suffix_selects_tab_delimiter(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.TSV", 'label\ttext\nham\ta, "b"\nspam\t"c\td"\n')
        assert numbered_texts(read(path)) == [(2, 'a, "b"'), (3, "c\td")]

    @pytest.mark.parametrize(
        ("content", "line"), [("ham\thi\n", 1), ('\r\n\nSPAM\t"Win" now\t!\r\n', 3), ("spam\ttext", 1)]
    )
    def test_labelled_message_in_place_of_header_is_refused(self, tmp_path: Path, content: str, line: int) -> None:
        path = write(tmp_path / "a.tsv", content)
        with pytest.raises(InputError, match=rf"a\.tsv, line {line}: '\w+' is a label, .*label<TAB>text"):
            read(path)
        with pytest.raises(InputError, match="label<TAB>text"):
            read(path, text_column="v2")

    def test_header_with_label_as_column_name_is_accepted(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tsv", "\nspam\ttext\n1\twin\n\n0\thi\n")
        assert numbered_texts(read(path, text_column="text")) == [(3, "win"), (5, "hi")]
        assert numbered_texts(read(write(tmp_path / "a.csv", "spam,text\n1,win\n"))) == [(2, "win")]

    def test_empty_text_field_is_empty_message(self, tmp_path: Path) -> None:
        assert numbered_texts(read(write(tmp_path / "a.csv", 'text\n""\n'))) == [(2, "")]

    @given(st.lists(TEXTS), st.sampled_from([",", "\t"]))
    def test_written_rows_are_read_back(self, texts: list[str], delimiter: str) -> None:
        table = io.StringIO(newline="")
        csv.writer(table, delimiter=delimiter).writerows([["n", "text"], *enumerate(texts)])
        rows = list(csv_rows(source(table.getvalue().encode()), None, default=delimiter))
        assert [row.text for row in rows if isinstance(row, Message)] == texts
        assert len(rows) == len(texts)


class TestJsonLines:
    def test_objects_and_bare_strings_are_read(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.jsonl", '{"n": 1, "text": "a\\nb"}\n\n"bare"\r\n{"text": "c", "body": "d"}')
        window = read(path)
        assert numbered_texts(window) == [(1, "a\nb"), (3, "bare"), (4, "c")]
        assert window.blank == 1

    def test_all_objects_must_use_same_text_key(self, tmp_path: Path) -> None:
        rows = [
            '{"id": "WINNER"}',
            '{"SMS": "hi"}',
            '{"id": "a3", "body": "signature"}',
            '{"SMS": "you", "body": "no"}',
        ]
        window = read(write(tmp_path / "a.jsonl", "\n".join(rows)))
        assert numbered_texts(window) == [(2, "hi"), (4, "you")]
        assert [(row.line, row.reason, row.kind) for row in window.bad] == [
            (1, "no text column found; set --text-column to one of the first row: 'id'", "text"),
            (3, "the object has no key 'SMS'; add it, or remove the line", "key"),
        ]

    @given(st.lists(st.sets(st.sampled_from(["text", "body", "id"]))))
    def test_text_is_never_read_from_another_key(self, objects: list[set[str]]) -> None:
        lines = (json.dumps({key: key for key in item}) + "\n" for item in objects)
        rows = list(jsonl_rows(source("".join(lines).encode()), None))
        first = next((item & {"text", "body"} for item in objects if len(item & {"text", "body"}) == 1), set())
        assert len(rows) == len(objects)
        assert {row.text for row in rows if isinstance(row, Message)} == first

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ('{"text": "a"', "invalid JSON at column 13"),
            ("nonsense", "invalid JSON at column 1"),
            ('{"text": null}', "the text is null, not a string"),
            ('{"text": 5}', "the text is int, not a string"),
            ('["a"]', "the text is list, not a string"),
            ("{}", "no text column found"),
            ('{"a": "x", "b": "y"}', "no text column found"),
            (r'"\ud83d"', "a lone surrogate"),
            ('{"text": "a", "text": "b"}', "the object has the key 'text' twice; remove one"),
            ("[" * 100_000, "unreadable JSON"),
            ("1" * 5_000, "unreadable JSON"),
        ],
    )
    def test_invalid_line_makes_only_itself_bad(self, tmp_path: Path, line: str, reason: str) -> None:
        window = read(write(tmp_path / "a.ndjson", f'"before"\n{line}\n"after"\n'))
        assert numbered_texts(window) == [(1, "before"), (3, "after")]
        assert window.bad[0].line == 2
        assert reason in window.bad[0].reason

    def test_invalid_bytes_make_only_one_line_bad(self, tmp_path: Path) -> None:
        window = read(write(tmp_path / "a.jsonl", b'"before"\n"f\xfcr"\n"after"\n'))
        assert numbered_texts(window) == [(1, "before"), (3, "after")]
        assert "0xfc at position 3 of line 2" in window.bad[0].reason

    def test_text_column_option_names_json_key(self, tmp_path: Path) -> None:
        window = read(write(tmp_path / "a.jsonl", '{"text": "a", "v": "b"}\n{"text": "c"}\n'), text_column="v")
        assert numbered_texts(window) == [(1, "b")]
        assert "the object has no key 'v'" in window.bad[0].reason

    @given(st.lists(TEXTS), st.booleans())
    def test_written_objects_are_read_back(self, texts: list[str], escaped: bool) -> None:
        data = "".join(json.dumps({"text": text}, ensure_ascii=escaped) + "\n" for text in texts)
        rows = list(jsonl_rows(source(data.encode()), None))
        assert rows == [Message(text, "in", line) for line, text in enumerate(texts, start=1)]


class TestParquet:
    @pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
    def test_all_string_types_are_read_in_windows(self, tmp_path: Path, kind: pa.DataType) -> None:
        path = tmp_path / "a.parquet"
        texts = [f"message {n}" for n in range(3_000)]
        pq.write_table(pa.table({"n": range(3_000), "text": pa.array(texts, pa.string()).cast(kind)}), path)
        windows = list(read_windows(path, ReadOptions()))
        assert max(map(len, windows)) == WINDOW
        assert [(m.line, m.text) for w in windows for m in w.messages] == list(enumerate(texts, start=1))

    def test_null_and_invalid_utf8_values_are_bad_rows(self, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
        pq.write_table(pa.table({"text": pa.concat_arrays([pa.array(["a", None], pa.string()), broken])}), path)
        window = read(path)
        assert numbered_texts(window) == [(1, "a")]
        assert [(row.line, row.reason) for row in window.bad] == [
            (2, "the text is null, not a string"),
            (3, "the text is not utf-8 (invalid start byte at byte 1)"),
        ]

    def test_missing_text_column_is_refused(self, tmp_path: Path) -> None:
        pq.write_table(pa.table({"a": ["x"], "b": ["y"]}), tmp_path / "a.parquet")
        with pytest.raises(InputError, match=r"a\.parquet: no text column found.*'a', 'b'"):
            read(tmp_path / "a.parquet")

    @pytest.mark.parametrize("values", [[["hi"]], [{"a": "hi"}], [1], [b"hi"]])
    def test_text_column_of_other_type_is_refused(self, tmp_path: Path, values: list[object]) -> None:
        """Lists are not read at all, because a small file may hold a huge list."""
        pq.write_table(pa.table({"text": values}), tmp_path / "a.parquet")
        with pytest.raises(
            InputError, match=r"a\.parquet: column 'text' holds .*, not text; name another with --text-c"
        ):
            read(tmp_path / "a.parquet")

    def test_invalid_parquet_file_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.parquet", "hello\n")
        with pytest.raises(InputError, match=r"a\.parquet cannot be read as Parquet"):
            read(path)
        assert numbered_texts(read(path, input_format="text")) == [(1, "hello")]

    def test_missing_pyarrow_error_names_batch_extra(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
        with pytest.raises(InputError, match=r"pip install 'spam-edge\[batch\]'"):
            read(write(tmp_path / "a.parquet", ""))


class TestWindows:
    def test_all_windows_are_full_except_last(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.txt", "m\n" * (WINDOW + 1))
        windows = list(read_windows(path, ReadOptions()))
        assert [len(window) for window in windows] == [WINDOW, 1]
        assert sum(window.bytes for window in windows) == size_of(path, ReadOptions())

    def test_window_ends_where_reading_would_block(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []

        def slow() -> Iterator[bytes]:
            for chunk in (b"one\ntwo\n\nthr", b"ee\n", b"\n", b"last"):
                asked.append("read")
                yield chunk

        chunks = slow()
        stdin = io.TextIOWrapper(io.BytesIO())
        monkeypatch.setattr(stdin.buffer, "read1", lambda _: next(chunks, b""), raising=False)
        monkeypatch.setattr("sys.stdin", stdin)
        windows = read_windows(Path("-"), ReadOptions())
        assert numbered_texts(next(windows)) == [(1, "one"), (2, "two")]
        assert len(asked) == 1
        assert [numbered_texts(window) for window in windows] == [[(4, "three")], [], [(6, "last")]]

    def test_window_ends_at_character_limit(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(windows_module, "LONGEST_LINE", 100)
        path = write(tmp_path / "a.txt", ("x" * 60 + "\n") * 5)
        assert [len(window) for window in read_windows(path, ReadOptions())] == [2, 2, 1]


class TestFiles:
    def test_missing_or_unreadable_paths_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(InputError, match="missing does not exist; check the path"):
            read(tmp_path / "missing")
        with pytest.raises(InputError, match=r"check the path, or give a message on standard input$"):
            read(tmp_path / "WINNER!! Call now")
        with pytest.raises(InputError, match="is a folder; name the files in it"):
            read(tmp_path)
        monkeypatch.setattr("os.access", lambda *_: False)
        with pytest.raises(InputError, match="is not readable"):
            read(write(tmp_path / "secret", "x"))

    def test_read_error_names_file_and_cause(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise OSError(5, "Input/output error")

        path = write(tmp_path / "a.txt", "x")
        monkeypatch.setattr(Path, "open", fail)
        with pytest.raises(InputError, match=r"a\.txt cannot be read: Input/output error"):
            read(path)

    def test_display_name_names_stdin_and_escapes_undecodable_bytes(self) -> None:
        assert display_name(Path("-")) == "<stdin>"
        assert display_name(Path("caf\udce9.txt")) == "caf\\xe9.txt"

    def test_size_is_known_only_for_existing_text_files(self, tmp_path: Path) -> None:
        assert size_of(Path("-"), ReadOptions()) is None
        assert size_of(tmp_path / "missing", ReadOptions()) is None
        assert size_of(write(tmp_path / "a.parquet", "x"), ReadOptions()) is None
        assert size_of(tmp_path / "a.parquet", ReadOptions(input_format="text")) == 1

    def test_parquet_from_stdin_is_refused(self) -> None:
        with pytest.raises(InputError, match="<stdin> is not a regular file"):
            read(Path("-"), input_format="parquet")


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
    @pytest.mark.parametrize("whole_file", [True, False])
    def test_undecodable_file_error_names_encoding(self, tmp_path: Path, encoding: str, whole_file: bool) -> None:
        path = write(tmp_path / "a.txt", b"see you at 5\n\xff\xff\n")
        with pytest.raises(InputError, match=rf"a.txt is not {encoding} \(.*\); set another --encoding"):
            read(path, encoding=encoding, whole_file=whole_file)

    @pytest.mark.parametrize("encoding", sorted({*encodings.aliases.aliases.values()} - {"idna", "punycode"}))
    def test_arbitrary_bytes_in_any_encoding_raise_only_input_errors(self, tmp_path: Path, encoding: str) -> None:
        contents = (bytes(range(1, 256)) * 3, b"a\0b\n\0", "see\n".encode("utf-16-le"), b"xn--a\n" + b"\xff" * 70_000)
        for content in contents:
            with suppress(InputError):  # no other error
                read(write(tmp_path / "a.txt", content), encoding=encoding)


class TestOptions:
    @pytest.mark.parametrize("encoding", ["nonsense", "base64", "rot13", "undefined", "idna", "punycode", "a\0b", ""])
    def test_unknown_encodings_are_refused(self, encoding: str) -> None:
        with pytest.raises(InputError, match="is not a known text encoding"):
            ReadOptions(encoding=encoding)

    def test_unknown_input_format_is_refused(self) -> None:
        with pytest.raises(OptionError, match="input_format must be one of text, csv, tsv, jsonl, parquet"):
            ReadOptions(input_format="xml")
