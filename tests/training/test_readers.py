import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.errors import InputError
from spam_edge.training.messages import DEFAULT_LABEL_MAP, HAM, SPAM, parse_label_map, to_message
from spam_edge.training.readers import ReadOptions, read_messages

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def read(path: Path, **options: object) -> list[tuple[str, str, int]]:
    return [(m.text, m.label, m.line) for m in read_messages(path, ReadOptions(**options))]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.tsv", "b.TXT"])
def test_uci_form_takes_quotes_and_tabs_as_they_are(write: Write, name: str) -> None:
    path = write(name, 'ham\t"Ok lor" he said\r\n\nspam\t"win\tnow\n')
    assert read(path) == [('"Ok lor" he said', HAM, 1), ('"win\tnow', SPAM, 3)]


def test_csv_names_the_line_where_a_record_starts(write: Write) -> None:
    path = write("a.csv", 'label,id,text\nham,1,"two\nlines"\n\n1,2,"a ""b"", c"\n')
    assert read(path) == [("two\nlines", HAM, 2), ('a "b", c', SPAM, 5)]


def test_byte_order_mark_is_no_part_of_the_first_column(write: Write) -> None:
    assert read(write("a.csv", "\ufefftext,label\nhi,0\n")) == [("hi", HAM, 2)]


def test_jsonl_with_other_names_and_labels(write: Write) -> None:
    path = write("a.jsonl", '{"body": "hi \\u2028 there", "kind": "OK"}\n\n{"body": "win", "kind": "Junk"}\n')
    options = {"text_column": "body", "label_column": "kind", "label_map": parse_label_map("junk=spam, ok=HAM")}
    assert read(path, **options) == [("hi \u2028 there", HAM, 1), ("win", SPAM, 3)]


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["hi", "win"], "label": [0, 1], "other": [None, None]}), path)
    assert read(path) == [("hi", HAM, 1), ("win", SPAM, 2)]
    with pytest.raises(InputError, match=r"a\.parquet, line 1: no column 'body'; there are text, label, other"):
        read(path, text_column="body")


def test_encoding_is_what_was_said(write: Write) -> None:
    path = write("a.tsv", "ham\tok\nspam\tWin £5\n".encode("cp1252"))
    assert read(path, encoding="cp1252")[1][0] == "Win £5"
    with pytest.raises(InputError, match=r"a\.tsv, line 2: byte 0xa3 is not utf-8; .*--encoding"):
        read(path)


BAD_FILES = [
    ("a.csv", b"", r"a\.csv: the file is empty \(0 bytes\)"),
    ("a.tsv", b"\n\n", r"a\.tsv: holds no messages"),
    ("a.csv", b"label,text\n", r"a\.csv: holds no messages"),
    ("a.json", b"{}", r"unknown suffix '\.json'; known are \.tsv, \.txt, \.csv, \.jsonl, \.parquet"),
    ("a.csv", b"label,body\nham,hi\n", r"a\.csv, line 1: no column 'text'; there are label, body; .*--text-column"),
    ("a.csv", b"label,text\nham,hi\nham,a,b\n", r"a\.csv, line 3: 3 fields where the header has 2"),
    ("a.csv", b"label,text\nham,hi\nham\n", r"a\.csv, line 3: 1 fields where the header has 2"),
    ("a.csv", b'label,text\nham,hi\nham,"open\n', r"a\.csv, line 3: not valid CSV"),
    ("a.csv", b"label,text\nham,hi\nmaybe,hm\n", r"a\.csv, line 3: unknown label 'maybe', known are .*--label-map"),
    ("a.csv", b"label,text\nham,hi\nspam,  \n", r"a\.csv, line 3: the text is empty; remove the row"),
    ("a.tsv", b"ham\thi\nspam win\n", r"a\.tsv, line 2: no tab"),
    ("a.tsv", b"ham\thi\nspam\t\n", r"a\.tsv, line 2: the text is empty"),
    ("a.tsv", b"label\ttext\n", r"a\.tsv, line 1: unknown label 'label'"),
    ("a.jsonl", b'{"text": "hi", "label": 0}\n{"text": \n', r"a\.jsonl, line 2: not valid JSON"),
    ("a.jsonl", b"[1]\n", r"a\.jsonl, line 1: not a JSON object"),
    ("a.jsonl", b'{"text": "hi"}\n', r"a\.jsonl, line 1: no key 'label'; there are text"),
    ("a.jsonl", b'{"text": 5, "label": 0}\n', r"a\.jsonl, line 1: the text is int, not a string"),
    ("a.jsonl", b'{"text": null, "label": 0}\n', r"a\.jsonl, line 1: the text is NoneType"),
    ("a.jsonl", b'{"text": "hi", "label": null}\n', r"a\.jsonl, line 1: unknown label None"),
    ("a.parquet", b"PAR0 not really", r"a\.parquet: not a readable Parquet file"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES)
def test_bad_files_are_named_with_line_and_remedy(write: Write, name: str, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(write(name, content))
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.csv: cannot be read \(No such file or directory\); check the path"):
        read(tmp_path / "no.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"folder\.csv: cannot be read \(Is a directory\)"):
        read(tmp_path / "folder.csv")


def test_unknown_encoding(write: Write) -> None:
    with pytest.raises(InputError, match="unknown encoding 'utf-9'; try utf-8"):
        read(write("a.tsv", "ham\thi\n"), encoding="utf-9")


@pytest.mark.parametrize(
    ("specification", "message"),
    [("junk", "'junk' is not of the form"), ("=SPAM", "not of the form"), ("junk=bad", "not of the form"),
     ("a=SPAM,A=HAM", "'A' is mapped twice")],
)  # fmt: skip
def test_bad_label_maps(specification: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_label_map(specification)


@pytest.mark.parametrize(("label", "expected"), [("Spam", SPAM), (" HAM ", HAM), (1, SPAM), (0, HAM), ("0", HAM)])
def test_default_label_map(label: object, expected: str) -> None:
    assert to_message("hi", label, "f", 1, DEFAULT_LABEL_MAP).label == expected


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.lists(st.tuples(texts, st.sampled_from([HAM, SPAM])), min_size=1, max_size=5))
def test_any_text_survives_jsonl(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": label}, ensure_ascii=False) + "\n" for t, label in rows),
                    encoding="utf-8", newline="\n")  # fmt: skip
    assert [(text, label) for text, label, _ in read(path)] == rows
