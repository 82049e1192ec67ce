import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.errors import InputError
from spam_edge.readers.lines import LONGEST_LINE
from spam_edge.training.data.messages import DEFAULT_LABEL_MAP, HAM, SPAM, parse_label_map, to_message
from spam_edge.training.data.readers import CorpusOptions, read_messages

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def read(path: Path, **options: object) -> list[tuple[str, str, int]]:
    return [(m.text, m.label, m.line) for m in read_messages(path, CorpusOptions(**options))]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.tsv", "b.TXT"])
def test_uci_format_keeps_quotes_and_tabs_literally(write: Write, name: str) -> None:
    path = write(name, 'ham\t"Ok lor" he said\r\n\nspam\t"win\tnow\n')
    assert read(path) == [('"Ok lor" he said', HAM, 1), ('"win\tnow', SPAM, 3)]


def test_csv_line_number_is_first_line_of_record(write: Write) -> None:
    path = write("a.csv", 'label,id,text\nham,1,"two\nlines"\n\n1,2,"a ""b"", c"\n')
    assert read(path) == [("two\nlines", HAM, 2), ('a "b", c', SPAM, 5)]


def test_byte_order_mark_is_removed_from_first_column(write: Write) -> None:
    assert read(write("a.csv", "\ufefftext,label\nhi,0\n")) == [("hi", HAM, 2)]


def test_jsonl_accepts_custom_columns_and_label_map(write: Write) -> None:
    path = write("a.jsonl", '{"body": "hi \\u2028 there", "kind": "OK"}\n\n{"body": "win", "kind": "Junk"}\n')
    options = {"text_column": "body", "label_column": "kind", "label_map": parse_label_map("junk=spam, ok=HAM")}
    assert read(path, **options) == [("hi \u2028 there", HAM, 1), ("win", SPAM, 3)]


def test_parquet_rows_are_read_and_missing_column_is_reported(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["hi", "win"], "label": [0, 1], "other": [None, None]}), path)
    assert read(path) == [("hi", HAM, 1), ("win", SPAM, 2)]
    with pytest.raises(InputError, match=r"a\.parquet: there is no column 'body'; --text-column .*'text', 'other'"):
        read(path, text_column="body")


def test_ambiguous_columns_are_reported_alike_in_every_format(write: Write, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = {"text": "a", "Class": "spam", "label": "ham", "SMS": "b"}
    paths = [
        write("a.csv", f"{','.join(row)}\n{','.join(row.values())}\n"),
        write("a.tsv", "\t".join(row) + "\n" + "\t".join(row.values()) + "\n"),
        write("a.jsonl", json.dumps(row) + "\n"),
        tmp_path / "a.parquet",
    ]
    pq.write_table(pa.Table.from_pylist([row]), paths[-1])
    for path in paths:
        place = rf"a\{path.suffix}.*: "
        with pytest.raises(InputError, match=f"{place}.*more than one label column found; .*--label-column .*'Class'"):
            read(path)
        with pytest.raises(InputError, match=f"{place}.*more than one text column found; .*--text-column .*'SMS'"):
            read(path, label_column="Class")
        [(text, label, _)] = read(path, label_column="Class", text_column="SMS")
        assert (text, label) == ("b", SPAM)


@pytest.mark.parametrize("content", ['Category\tv2\nspam\t"win\tnow"\n', '\n"v2"\t"LABEL"\r\n"win\tnow"\t1\r\n'])
def test_tsv_with_header_supports_quoted_fields(write: Write, content: str) -> None:
    assert [(text, label) for text, label, _ in read(write("a.tsv", content))] == [("win\tnow", SPAM)]


@pytest.mark.parametrize(
    "content", ["label;text\nham;a, b\n", "sep=;\nlabel;text\nham;a, b\n", '\nlabel\ttext\r\nham\t"a, b"\r\n']
)
def test_csv_delimiter_is_detected(write: Write, content: str) -> None:
    assert [(text, label) for text, label, _ in read(write("a.csv", content))] == [("a, b", HAM)]


def test_txt_first_line_is_never_header(write: Write) -> None:
    assert read(write("a.txt", "ham\ttext\nspam\tlabel\n")) == [("text", HAM, 1), ("label", SPAM, 2)]
    with pytest.raises(InputError, match=r"a\.txt, line 1: unknown label 'label'"):
        read(write("a.txt", "label\ttext\nham\thi\n"))


def test_label_map_identifies_uci_format_with_custom_labels(write: Write) -> None:
    path = write("a.tsv", "\njunk\twin\nok\thi\n")
    with pytest.raises(
        InputError, match=r"a\.tsv, line 2: not a header .*--label-column.*'junk' is not a known label; .*--label-map"
    ):
        read(path)
    assert read(path, label_map=parse_label_map("junk=spam, ok=HAM")) == [("win", SPAM, 2), ("hi", HAM, 3)]


def test_first_jsonl_object_determines_columns(write: Write) -> None:
    rows = ['{"sms": "hi", "label": 0}', '{"sms": "win", "label": 1, "text": "no"}']
    assert read(write("a.jsonl", "\n".join(rows))) == [("hi", HAM, 1), ("win", SPAM, 2)]
    with pytest.raises(InputError, match=r"a\.jsonl, line 2: no key 'sms'; add it, or remove the line"):
        read(write("a.jsonl", f'{rows[0]}\n{{"text": "win", "label": 1}}\n'))


def test_file_is_decoded_with_given_encoding(write: Write) -> None:
    path = write("a.tsv", "ham\tok\nspam\tWin £5\n".encode("cp1252"))
    assert read(path, encoding="cp1252")[1][0] == "Win £5"
    with pytest.raises(InputError, match=r"a\.tsv, line 2: byte 0xa3 is not utf-8; .*--encoding"):
        read(path)


INVALID_FILES = [
    ("a.csv", b"", r"a\.csv: the file is empty \(0 bytes\)"),
    ("a.tsv", b"\n\n", r"a\.tsv: the file has no messages"),
    ("a.csv", b"label,text\n", r"a\.csv: the file has no messages"),
    ("a.json", b"{}", r"unknown suffix '\.json'; supported are \.tsv, \.txt, \.csv, \.jsonl, \.parquet"),
    ("a.csv", b"\n\n", r"a\.csv: the file has no messages"),
    ("a.csv", b"label,a,b\nham,hi,0\n", r"a\.csv, line 1: no text column found; set --text-column .*: 'a', 'b'"),
    ("a.csv", b"\nkind,body\nham,hi\n", r"a\.csv, line 2: no label column found; set --label-column .*: 'kind'"),
    ("a.csv", b"label,text\nham,hi\nham,a,b\n", r"a\.csv, line 3: 3 fields where the header has 2"),
    ("a.csv", b"label,text\nham,hi\nham\n", r"a\.csv, line 3: 1 fields where the header has 2"),
    ("a.csv", b'label,text\nham,hi\nham,"open\n', r"a\.csv, line 3: invalid CSV .*; close the quotes"),
    ("a.csv", b"label,text\nham,hi\nmaybe,hm\n", r"a\.csv, line 3: unknown label 'maybe'; known labels .*--label-map"),
    ("a.csv", b"label,text\nham,hi\nspam,  \n", r"a\.csv, line 3: the text is empty; remove the row"),
    ("a.tsv", b"ham\thi\nspam win\n", r"a\.tsv, line 2: no tab"),
    ("a.tsv", b"ham\thi\nspam\t\n", r"a\.tsv, line 2: the text is empty"),
    ("a.tsv", b"label\ttext\n", r"a\.tsv: the file has no messages"),
    ("a.tsv", b"label\ttext\nham\ta\tb\n", r"a\.tsv, line 2: 3 fields where the header has 2; quote texts"),
    ("a.tsv", b"ham\ttext\nham\thi\n", r"a\.tsv, line 1: 'ham' is a label, but .*--label-column .*\.txt"),
    ("a.tsv", b"hi there\n", r"a\.tsv, line 1: not a header .*'hi there' is not a known label"),
    ("a.jsonl", b'{"text": "hi", "label": 0}\n{"text": \n', r"a\.jsonl, line 2: invalid JSON at .*; correct or remove"),
    (
        "a.jsonl",
        b'{"text": "hi", "label": 0, "text": "win"}\n',
        r"line 1: the object has the key 'text' twice; remove one",
    ),
    (
        "a.jsonl",
        b'{"text": "hi", "label": 0, "label": 1}\n',
        r"line 1: the object has the key 'label' twice; remove one",
    ),
    (
        "a.jsonl",
        b'{"text": "\\ud800", "label": 0}\n',
        r"a\.jsonl, line 1: .* lone surrogate; correct or remove the row",
    ),
    (
        "a.jsonl",
        b'{"a": ' + b"[" * 100_000 + b"}\n",
        r"a\.jsonl, line 1: unreadable JSON .*; correct or remove",
    ),
    ("a.jsonl", b"[1]\n", r"a\.jsonl, line 1: not a JSON object"),
    ("a.jsonl", b'{"text": "hi"}\n', r"a\.jsonl, line 1: no label column found; set --label-column .*: 'text'"),
    ("a.jsonl", b"{}", r"a\.jsonl, line 1: no label column found"),
    ("a.jsonl", b'{"text": 5, "label": 0}\n', r"a\.jsonl, line 1: the text is int, not a string"),
    ("a.jsonl", b'{"text": null, "label": 0}\n', r"a\.jsonl, line 1: the text is null, not a string; correct"),
    (
        "a.jsonl",
        b'{"text": "hi", "label": null}\n',
        r"a\.jsonl, line 1: the row has no label; give it one, or remove the row",
    ),
    ("a.csv", b"text,label\nhi,\n", r"a\.csv, line 2: the row has no label; give it one, or remove the row"),
    ("a.tsv", b"ham\thi\n\twin\n", r"a\.tsv, line 2: the row has no label"),
    ("a.csv", b"text,label\nh\0i,ham\n", r"a\.csv, line 2: there is a NUL byte; remove it"),
    ("a.txt", b"ham\thi\rspam\twin\r", r"a\.txt, line 1: the lines end with carriage returns, .*; convert"),
    ("a.txt", b"ham\thi\rspam\twin\rham\tok\n", r"a\.txt, line 1: the lines end with carriage returns, .*; convert"),
    ("a.txt", b"ham\thi\nspam\twin\rham\tok\n", r"a\.txt, line 2: the lines end with carriage returns, .*; convert"),
    ("a.csv", b"label,text\rham,hi\r\n", r"a\.csv, line 1: the lines end with carriage returns, .*; convert"),
    ("a.csv", b"label,text\rham,hi\nham,ok\n", r"a\.csv, line 1: the lines end with carriage returns, .*; convert"),
    ("a.csv", b"label,text\nham,hi\rspam,win\n", r"a\.csv, line 2: .*the lines end with carriage returns, .*; convert"),
    ("a.csv", b'label, text\nham, "a, b"\n', r"a\.csv, line 2: 3 fields .*; .* with no space before the quotes"),
    ("a.csv", b"sep=a\nlabel,text\nham,hi\n", r"a\.csv, line 1: 'a' is no delimiter; give one character"),
    ("a.csv", "text,label\nhi,ham\n".encode("utf-16"), r"a\.csv looks like UTF-16; use --encoding utf-16"),
    ("a.csv", b"label;text,x\nham;hi,x\n", r"a\.csv, line 1: comma and semicolon may separate the columns; quote"),
    ("a.csv", b"PK\x03\x04", r"a\.csv is a binary file: a ZIP archive or an "),
    ("a.csv", b"text,text,label\nhi,you,ham\n", r"a\.csv, line 1: more than one text column found"),
    ("a.parquet", b"PAR0 not really", r"a\.parquet: not a readable Parquet file"),
]


@pytest.mark.parametrize(("name", "content", "message"), INVALID_FILES, ids=range(len(INVALID_FILES)))
def test_invalid_file_error_is_one_line_with_location_and_remedy(
    write: Write, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(write(name, content))
    assert "\n" not in str(caught.value)


def rows_with_quotes(first: int, last: int) -> str:
    """Return 400 records; the one in line ``first`` begins with a quote, the one in line ``last`` ends with one."""
    quotes = {first: ('"', ""), last: ("", '"')}
    return "".join("ham,{}see you at five{}\n".format(*quotes.get(line, ("", ""))) for line in range(2, 402))


def test_stray_quote_that_swallows_rows_is_refused_with_their_lines(write: Write) -> None:
    with pytest.raises(
        InputError, match=r"a\.csv, line 52: .* the lines 52 to 252, .*; close the quotes, .*"
    ) as caught:
        read(write("a.csv", "label,text\n" + rows_with_quotes(52, 252)))
    assert "--long-cells" not in str(caught.value)
    with pytest.raises(InputError, match=r"a\.csv, line 52: .* the lines 52 to 401; close the quotes"):
        read(write("a.csv", "label,text\n" + rows_with_quotes(52, 500)))


def test_stray_quote_in_header_that_swallows_rows_is_refused(write: Write) -> None:
    with pytest.raises(InputError, match=r"a\.csv, line 1: a column name has more than 20 lines; close the quotes"):
        read(write("a.csv", 'label,text,"note\n' + rows_with_quotes(500, 252)))
    assert read(write("a.csv", 'label,text,"note\n(own)"\nham,hi,x\n')) == [("hi", HAM, 3)]


def test_long_text_of_many_lines_is_one_message(write: Write) -> None:
    text = "\n".join(["Dear customer, we write to you"] * 200)
    assert read(write("a.csv", f'label,text\nham,"{text}"\n')) == [(text, HAM, 2)]


def test_cell_beyond_limit_of_csv_module_is_read(write: Write) -> None:
    limit = csv.field_size_limit()
    text = "x" * (limit + 1)
    assert read(write("a.csv", f"label,text\nham,{text}\n")) == [(text, HAM, 2)]
    assert csv.field_size_limit() == limit


def test_line_that_is_too_long_is_refused_without_option_of_runtime(write: Write) -> None:
    with pytest.raises(InputError, match=r"a\.txt, line 2: .* is longer than [\d,]+ characters; split or remove it"):
        read(write("a.txt", f"ham\thi\nham\t{'x' * LONGEST_LINE}\n"))


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", 'label,text\nham,"see\ryou"\n'), ("a.txt", "ham\tsee\ryou\nspam\twin\n")],
)
def test_carriage_return_that_ends_no_row_is_kept(write: Write, name: str, content: str) -> None:
    assert read(write(name, content))[0][0] == "see\ryou"


def invalid_utf8(*cells: bytes) -> Any:
    """Return an array of texts that are not checked."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.string(), len(cells), pa.array(cells, pa.binary()).buffers())


@pytest.mark.parametrize("column", ["text", "label"])
def test_parquet_cell_that_is_not_utf8_is_refused_with_its_row(tmp_path: Path, column: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    columns = {"text": pa.array(["hi", "you"]), "label": pa.array(["ham", "ham"])}
    pq.write_table(pa.table({**columns, column: invalid_utf8(b"ham", b"caf\xe9")}), path)
    with pytest.raises(
        InputError, match=rf"a\.parquet, line 2: the {column} is not utf-8.*; correct or remove the row"
    ):
        read(path)


def test_parquet_column_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["hi"], "label": ["ham"], "qqqq": ["x"]}), path)
    path.write_bytes(path.read_bytes().replace(b"qqqq", b"q\xe9qq"))
    with pytest.raises(InputError, match=r"a\.parquet: a column name is not utf-8 .*; rename it"):
        read(path)


@pytest.mark.parametrize("damaged", ["text", "label"])
def test_damaged_parquet_is_named_as_such(tmp_path: Path, damaged: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    cells = {"text": [f"see you at {n}" for n in range(400)], "label": ["ham"] * 400}
    pq.write_table(pa.table(cells), path, use_dictionary=False, compression="snappy")
    chunk = pq.read_metadata(path).row_group(0).column([*cells].index(damaged))
    content = bytearray(path.read_bytes())
    end = chunk.data_page_offset + chunk.total_compressed_size
    content[end - 20 : end] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.parquet.* Parquet .*; (check the file|write it again)") as caught:
        read(path)
    assert "check the path" not in str(caught.value)


def test_missing_file_and_folder_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.csv: cannot be read \(No such file or directory\); check the path"):
        read(tmp_path / "no.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"folder\.csv: cannot be read \(Is a directory\)"):
        read(tmp_path / "folder.csv")


@pytest.mark.parametrize("encoding", ["utf-9", "hex", "punycode", "idna", "undefined"])
def test_encoding_that_is_none_of_texts_is_refused(write: Write, encoding: str) -> None:
    with pytest.raises(InputError, match=f"{encoding}.*(try utf-8|set another --encoding)"):
        read(write("a.tsv", "ham\thi\n"), encoding=encoding)


@pytest.mark.parametrize(
    ("specification", "message"),
    [("junk", "'junk' is not of the form"), ("=SPAM", "not of the form"), ("junk=bad", "not of the form"),
     ("a=SPAM,A=HAM", "'A' is mapped twice")],
)  # fmt: skip
def test_invalid_label_map_is_refused(specification: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_label_map(specification)


@pytest.mark.parametrize(("label", "expected"), [("Spam", SPAM), (" HAM ", HAM), (1, SPAM), (0, HAM), ("0", HAM)])
def test_default_label_map_ignores_case_and_accepts_digits(label: object, expected: str) -> None:
    assert to_message("hi", label, "f", 1, DEFAULT_LABEL_MAP).label == expected


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)


@given(st.lists(st.tuples(texts, st.sampled_from([HAM, SPAM])), min_size=1, max_size=5))
def test_any_text_survives_jsonl_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": label}, ensure_ascii=False) + "\n" for t, label in rows),
                    encoding="utf-8", newline="\n")  # fmt: skip
    assert [(text, label) for text, label, _ in read(path)] == rows


@given(st.lists(st.tuples(texts, st.sampled_from([HAM, SPAM])), min_size=1, max_size=5), st.sampled_from([",", "\t"]))
def test_any_text_survives_csv_and_tsv_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("table") / ("a.csv" if delimiter == "," else "a.tsv")
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([("sms", "class"), *rows])
    assert [(text, label) for text, label, _ in read(path)] == rows


lines = texts.filter(lambda text: "\n" not in text and "\r" not in text)


@given(st.lists(st.tuples(lines, st.sampled_from(["ham", "Spam", "1"])), min_size=1, max_size=5))
def test_any_line_survives_uci_format_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("uci") / "a.tsv"
    path.write_text("".join(f"{label}\t{text}\n" for text, label in rows), encoding="utf-8", newline="\n")
    try:
        actual = [text for text, _, _ in read(path)]
    except InputError as error:
        assert "line 1: " in str(error)
        assert "is a label, but" in str(error)
    else:
        assert actual == [text for text, _ in rows]
