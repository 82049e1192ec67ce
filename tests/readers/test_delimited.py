"""Delimiters of CSV files, detected or given, and unclosed quotes that swallow rows."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.errors import InputError
from spam_edge.readers import delimited
from spam_edge.readers.columns import DELIMITERS
from spam_edge.readers.delimited import MANY_LINES, MANY_LINES_OF_TEXT, parse_delimiter
from spam_edge.readers.extraction import BadRow, Message, Row
from spam_edge.readers.formats import csv_rows
from spam_edge.readers.lines import LineSource

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


def rows_of(content: str, *, default: str = ",", delimiter: str | None = None, long_cells: bool = False) -> list[Row]:
    lines = LineSource(io.BytesIO(content.encode()).read, name="in", encoding="utf-8")
    return list(csv_rows(lines, None, default=default, delimiter=delimiter, long_cells=long_cells))


class TestDelimiters:
    @pytest.mark.parametrize("default", [",", "\t"])
    @given(texts=st.lists(TEXTS, min_size=1), delimiter=st.sampled_from([*DELIMITERS]))
    def test_delimiter_is_detected_from_header(self, default: str, texts: list[str], delimiter: str) -> None:
        table = io.StringIO(newline="")
        csv.writer(table, delimiter=delimiter).writerows([["id", "text"], *enumerate(texts)])
        assert [row.text for row in rows_of(table.getvalue(), default=default) if isinstance(row, Message)] == texts

    @pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;\r"])
    def test_excel_sep_line_sets_delimiter(self, first: str) -> None:
        assert rows_of(f"{first}\nid;text\n1;Hello, there\n") == [Message("Hello, there", "in", 3)]
        assert rows_of("sep=,\ntext,a;b\nhi,2\n") == [Message("hi", "in", 3)]
        assert rows_of("sep=;\ntext,a;b\nhi,2\n", delimiter=",") == [Message("hi", "in", 3)]

    @pytest.mark.parametrize("first", ["sep=", 'sep="', '"sep="', "sep= ", "sep=a"])
    def test_excel_sep_line_with_invalid_delimiter_is_refused(self, first: str) -> None:
        with pytest.raises(InputError, match=r"in, line 1: .* is no delimiter"):
            rows_of(f"{first}\nid;text\n1;hi\n")

    @pytest.mark.parametrize(
        ("header", "candidates"),
        [("id;text, long", "comma and semicolon"), ("id,a\ttext", "comma and tab"), ("a;b\ttext", "semicolon and tab")],
    )
    def test_header_with_two_delimiters_is_refused(self, header: str, candidates: str) -> None:
        with pytest.raises(InputError, match=f"in, line 2: {candidates} may separate the columns; .*--delimiter"):
            rows_of(f"\n{header}\n1,2\n")

    def test_quoted_or_incidental_delimiters_are_not_counted(self) -> None:
        assert rows_of('"a;b",text\n1,hi\n') == [Message("hi", "in", 2)]
        assert rows_of("(a|b),text\n1,hi\n") == [Message("hi", "in", 2)]
        assert rows_of("a, b\ttext\n1\thi\n", default="\t") == [Message("hi", "in", 2)]

    def test_given_delimiter_overrides_detection(self) -> None:
        assert rows_of("text;id, long\na, b;1\n", delimiter=";") == [Message("a, b", "in", 2)]

    @pytest.mark.parametrize(("given", "name"), [(";", "semicolon"), ("#", "'#'")])
    @pytest.mark.parametrize("header", ["text,n", '"text;#,"', "text"])
    def test_given_delimiter_missing_from_header_is_refused(self, given: str, name: str, header: str) -> None:
        with pytest.raises(
            InputError, match=rf"in, line 2: the header .*text.* has no {name}, which --delimiter names"
        ):
            rows_of(f"sep=;\n{header}\nhi,2\n", delimiter=given)

    def test_labelled_message_in_place_of_header_is_refused(self) -> None:
        with pytest.raises(InputError, match="'ham' is a label"):
            rows_of("ham\thi there\n")

    @pytest.mark.parametrize(
        ("given", "delimiter"), [(";", ";"), ("tab", "\t"), (r"\t", "\t"), ("\t", "\t"), ("Pipe", "|"), ("#", "#")]
    )
    def test_delimiter_names_and_characters_are_parsed(self, given: str, delimiter: str) -> None:
        assert parse_delimiter(given) == delimiter

    @pytest.mark.parametrize("given", ["", ";;", '"', "\n", "\r", "\0", " ", "colon", "a", "7", "\xe9"])
    def test_invalid_delimiters_are_refused(self, given: str) -> None:
        with pytest.raises(InputError, match="is no delimiter; give one character, or comma, semicolon, tab or pipe"):
            parse_delimiter(given)


def bad_row(rows: list[Row]) -> BadRow:
    [row] = [row for row in rows if isinstance(row, BadRow)]
    return row


class TestQuotes:
    def test_unclosed_quote_hides_following_rows(self) -> None:
        row = bad_row(rows_of('id,text\n1,hi\n2,"hello there”\n' + "3,free prize now\n" * 2))
        assert (row.line, row.kind, row.hides) == (3, "quoting", True)
        assert "invalid CSV (unexpected end of data) in the lines 3 to 5: is a quote not closed? Close it" in row.reason

    def test_unclosed_quote_in_last_line_hides_nothing(self) -> None:
        row = bad_row(rows_of('id,text\n1,hi\n2,"hello\n'))
        assert (row.line, row.hides) == (3, False)

    def test_invalid_quote_hides_rows_only_in_long_record(self) -> None:
        """A long record may hide other rows; a short record is a single bad row."""
        for count, hides in ((3, False), (MANY_LINES, True)):
            row = bad_row(rows_of('text,n\n"oops,2\n' + "WIN,3\n" * (count - 1) + 'a "quoted" word,4\nfine,5\n'))
            assert (row.line, row.hides) == (2, hides)
            assert f"in the lines 2 to {count + 2}: is a quote not closed?" in row.reason

    @pytest.mark.parametrize(
        ("content", "good", "bad"),
        [
            ('text,n\n"he "said" x\n\nmore,6\nend",7\nfine,8\n"good",9\n', ["fine", "good"], [2, 4, 5]),
            ('text\n"he "said" x\nmore\nthe "end" is here"\nfine\n', ["fine"], [2, 3, 4]),
            ('text\n"he "said" x\nmore\n"the" end"\nfine\n', ["fine"], [2, 3, 4]),
            ('id,text\n1,"5" pipe"\n2,fine\n3,"good"\n4,size 5"\n', ["fine", "good", 'size 5"'], [2]),
            ('id,text\n1,"5" pipe"\n2,fine\n', ["fine"], [2]),
            ('text,n\n"a"b,1\nfine,2\n5" pipe,3\n', ["fine", '5" pipe'], [2]),
        ],
    )
    def test_lines_of_broken_record_are_not_messages(self, content: str, good: list[str], bad: list[int]) -> None:
        rows = rows_of(content)
        assert [row.text for row in rows if isinstance(row, Message)] == good
        assert [row.line for row in rows if isinstance(row, BadRow)] == bad
        assert {row.kind for row in rows if isinstance(row, BadRow)} == {"quoting"}

    def test_rows_after_broken_record_are_not_delayed(self) -> None:
        stream = iter([b'id,text\n1,"5" pipe"\n' + b"2,fine\n" * (MANY_LINES_OF_TEXT + 1)])
        rows = csv_rows(LineSource(lambda _: next(stream), name="in"), None)  # a second read would raise
        assert isinstance(next(rows), BadRow)
        assert next(rows) == Message("fine", "in", 3)

    def test_carriage_returns_are_reported_as_line_ends_not_quotes(self) -> None:
        for count, hides in ((2, False), (MANY_LINES + 1, True)):
            row = bad_row(rows_of("id,text\n" + "1,hi\r" * count + "2,you\n3,fine\n"))
            assert row.hides is hides
            assert "new-line character" in row.reason
            assert "old Macs; convert them" in row.reason
            assert "a quote not closed" not in row.reason

    @pytest.mark.parametrize(("width", "enough"), [(1, MANY_LINES_OF_TEXT), (2, MANY_LINES), (3, MANY_LINES)])
    def test_quotes_that_merge_many_rows_are_refused(self, width: int, enough: int) -> None:
        """The record has the right number of fields, but each of its lines looks like a record."""
        end = ",".join(["x"] * (width - 1))
        line = f"WINNER!! Call now,{end}".removesuffix(",")
        last = f'",{end}\n'.replace('",\n', '"\n')
        for count in (enough - 2, enough):
            content = (
                ",".join(["text", "a", "b"][:width]) + '\n"oops\n' + f"{line}\n" * (count - 1) + last + f"{line}\n"
            )
            rows = rows_of(content)
            assert isinstance(rows[-1], Message)
            if count < enough:
                assert isinstance(rows[0], Message)
                continue
            row = bad_row(rows)
            assert (row.line, row.kind, row.hides) == (2, "quoting", True)
            assert f"one record has the lines 2 to {count + 2}, which look like records; is a quote" in row.reason
            assert "or set --long-cells if it is one text" in row.reason
            assert isinstance(rows_of(content, long_cells=True)[0], Message)

    def test_long_cells_option_still_reports_unclosed_quote(self) -> None:
        row = bad_row(rows_of('text\n"' + "hi\n" * 200, long_cells=True))
        assert (row.line, row.kind, row.hides) == (2, "quoting", True)

    def test_letter_of_many_lines_is_one_message(self) -> None:
        letter = "\n".join(["Dear sir, dear madam,", "", "thank you, and good night.", "Yours, Ann, Bob"] * 100)
        table = io.StringIO(newline="")
        csv.writer(table).writerows([["id", "text"], [1, letter]])
        assert rows_of(table.getvalue()) == [Message(letter, "in", 2)]

    @given(st.lists(st.sampled_from(["Dear Ann, hello", "yes, fine", "so, see you"]), min_size=MANY_LINES + 1))
    def test_letter_with_comma_per_line_is_one_message(self, letter: list[str]) -> None:
        text = "\n".join(letter)
        assert rows_of(f'id,text\n1,"{text}"\n') == [Message(text, "in", 2)]
        merged = bad_row(rows_of(f'id, text\n1, x\n"{text}", 2\n'))
        assert merged.hides is True

    def test_merged_rows_with_wrong_field_count_are_reported(self) -> None:
        for count, hides in ((2, False), (MANY_LINES, True)):
            row = bad_row(rows_of('id,text\n1,"oops\n' + "a\n" * (count - 1) + '",x\n2,fine\n'))
            assert (row.line, row.hides) == (2, hides)
            assert f"3 fields where the header has 2, in the lines 2 to {count + 2}; is a quote" in row.reason

    @given(st.integers(0, 80), st.integers(0, 80))
    def test_swallowed_rows_are_always_reported(self, before: int, swallowed: int) -> None:
        """Each line is a message or part of a bad record whose reason names its lines."""
        content = "text,n\n" + "hi,1\n" * before + '"oops,2\n' + "WIN,3\n" * swallowed
        rows = rows_of(content)
        assert rows[:before] == [Message("hi", "in", line) for line in range(2, before + 2)]
        row = bad_row(rows)
        assert row.hides is (swallowed > 0)
        assert not swallowed or f"the lines {before + 2} to {before + 2 + swallowed}:" in row.reason


class TestLongFields:
    def test_field_beyond_csv_module_limit_is_read(self) -> None:
        text = "\n".join(["WINNER!! Call now, free prize now"] * 5000) + "\n"
        assert rows_of(f'text\n"{text}"\nham\n') == [Message(text, "in", 2), Message("ham", "in", 5003)]
        assert csv.field_size_limit() == 131_072

    @given(rest=st.lists(st.sampled_from(["WINNER", "", 'say ""hi""']), min_size=150, max_size=200))
    def test_rest_of_too_long_field_gives_no_messages(self, rest: list[str]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(delimited, "LONGEST_LINE", 1000)
            rows = rows_of('text\n"' + "WINNER!!!\n" * 101 + "\n".join(rest) + '\nend"\nham\n')
        assert [row for row in rows if isinstance(row, Message)] == [Message("ham", "in", 104 + len(rest))]
